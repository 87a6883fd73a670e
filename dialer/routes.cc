// Settings, read strictly.
#include "dialer/routes.h"

#include <algorithm>

#include "base/log.h"

namespace anchorhold::dialer {
namespace {

// RFC 9110 §5.5: what a field value may hold; above all, no line ends.
bool is_field_value(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

Result<UpstreamRoute> read_proxy(const proto::UpstreamProxy& proxy) {
    UpstreamRoute route;
    for (const std::string& host : proxy.hosts()) {
        route.hosts.push_back(ANCHORHOLD_TRY(NamePattern::parse(host)));
    }
    route.host = proxy.host();
    if (route.host.empty()) {
        return route;
    }
    if (!is_plain_name(route.host) && !IpAddress::parse(route.host)) {
        return fail("upstream proxy '" + log::escaped(route.host) +
                    "' is neither a name nor an address");
    }
    if (proxy.port() == 0 || proxy.port() > UINT16_MAX) {
        return fail("upstream proxy " + route.host + ": port " + std::to_string(proxy.port()) +
                    " does not exist");
    }
    if (!is_field_value(proxy.authorization())) {
        return fail("upstream proxy " + route.host + ": its authorization is no header value");
    }
    route.port = static_cast<uint16_t>(proxy.port());
    route.authorization = proxy.authorization();
    return route;
}

Result<Override> read_override(const proto::HostOverride& given) {
    const auto address = IpAddress::from_bytes(given.address());
    if (!is_plain_name(given.host()) || !address || given.port() > UINT16_MAX) {
        return fail("the override of '" + log::escaped(given.host()) + "' is malformed");
    }
    return Override{given.host(), *address, static_cast<uint16_t>(given.port())};
}

}  // namespace

Status Routes::add(const proto::DialerSettings& settings) {
    Routes wider = *this;
    for (const proto::UpstreamProxy& proxy : settings.proxies()) {
        wider.proxies_.push_back(ANCHORHOLD_TRY(read_proxy(proxy)));
    }
    for (const proto::HostOverride& given : settings.overrides()) {
        wider.overrides_.push_back(ANCHORHOLD_TRY(read_override(given)));
    }
    *this = std::move(wider);
    return {};
}

const UpstreamRoute* Routes::proxy_for(std::string_view name) const {
    for (const UpstreamRoute& route : proxies_) {
        if (std::any_of(route.hosts.begin(), route.hosts.end(),
                        [&](const NamePattern& pattern) { return pattern.matches(name); })) {
            return route.host.empty() ? nullptr : &route;
        }
    }
    return nullptr;
}

const Override* Routes::override_for(std::string_view name) const {
    const auto found = std::find_if(overrides_.begin(), overrides_.end(),
                                    [&](const Override& one) { return one.name == name; });
    return found == overrides_.end() ? nullptr : &*found;
}

}  // namespace anchorhold::dialer
