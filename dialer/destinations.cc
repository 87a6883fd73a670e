// Names, patterns, ports.
#include "dialer/destinations.h"

#include <algorithm>

#include "base/log.h"

namespace anchorhold::dialer {
namespace {

constexpr size_t kMaxDestinations = 4096;
constexpr size_t kMaxName = 253;
constexpr size_t kMaxLabel = 63;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_label_byte(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-';
}

bool is_plain_label(std::string_view label) {
    return !label.empty() && label.size() <= kMaxLabel && label.front() != '-' &&
           label.back() != '-' && std::all_of(label.begin(), label.end(), is_label_byte);
}

bool reads_as_number(std::string_view label) {
    return std::all_of(label.begin(), label.end(), is_digit) || label.starts_with("0x");
}

}  // namespace

bool is_plain_name(std::string_view name) {
    if (name.size() > kMaxName) {
        return false;
    }
    std::string_view rest = name;
    for (;;) {
        const size_t dot = rest.find('.');
        const std::string_view label = rest.substr(0, dot);
        if (!is_plain_label(label)) {
            return false;
        }
        if (dot == std::string_view::npos) {
            return !reads_as_number(label);
        }
        rest.remove_prefix(dot + 1);
    }
}

Result<NamePattern> NamePattern::parse(std::string_view text) {
    if (text == "*") {
        return NamePattern(Kind::any, "");
    }
    const bool suffix = text.starts_with("*.");
    if (!is_plain_name(suffix ? text.substr(2) : text)) {
        return fail("'" + log::escaped(text) + "' is neither a name, *.suffix nor *");
    }
    return suffix ? NamePattern(Kind::suffix, std::string(text.substr(1)))
                  : NamePattern(Kind::exact, std::string(text));
}

bool NamePattern::matches(std::string_view name) const {
    switch (kind_) {
        case Kind::exact:
            return name == text_;
        case Kind::suffix:
            return name.size() > text_.size() && name.ends_with(text_);
        case Kind::any:
            break;
    }
    return true;
}

Result<Destinations::Entry> Destinations::read(const proto::Destination& destination) {
    Entry entry;
    if (destination.host().empty()) {
        entry.addresses = ANCHORHOLD_TRY(Cidr::parse(destination.cidr()));
    } else if (destination.cidr().empty()) {
        entry.name = ANCHORHOLD_TRY(NamePattern::parse(destination.host()));
    } else {
        return fail("a destination has a host and a range");
    }
    for (const uint32_t port : destination.ports()) {
        if (port == 0 || port > UINT16_MAX) {
            return fail("a destination's port " + std::to_string(port) + " does not exist");
        }
        entry.ports.push_back(static_cast<uint16_t>(port));
    }
    for (const std::string& range : destination.private_ranges()) {
        entry.private_ranges.push_back(ANCHORHOLD_TRY(Cidr::parse(range)));
    }
    return entry;
}

Status Destinations::add(const proto::AddClient& more) {
    if (entries_.size() + static_cast<size_t>(more.destinations_size()) > kMaxDestinations) {
        return fail("more than " + std::to_string(kMaxDestinations) + " destinations");
    }
    std::vector<Entry> read_entries;
    for (const proto::Destination& destination : more.destinations()) {
        read_entries.push_back(ANCHORHOLD_TRY(read(destination)));
    }
    std::move(read_entries.begin(), read_entries.end(), std::back_inserter(entries_));
    return {};
}

template <typename Matches>
std::optional<std::vector<Cidr>> Destinations::match(uint16_t port, Matches matches) const {
    std::optional<std::vector<Cidr>> named;
    for (const Entry& entry : entries_) {
        if (std::find(entry.ports.begin(), entry.ports.end(), port) == entry.ports.end() ||
            !matches(entry)) {
            continue;
        }
        if (!named) {
            named.emplace();
        }
        named->insert(named->end(), entry.private_ranges.begin(), entry.private_ranges.end());
    }
    return named;
}

std::optional<std::vector<Cidr>> Destinations::match_name(std::string_view name,
                                                          uint16_t port) const {
    return match(port, [&](const Entry& entry) { return entry.name && entry.name->matches(name); });
}

std::optional<std::vector<Cidr>> Destinations::match_address(const IpAddress& address,
                                                             uint16_t port) const {
    return match(port, [&](const Entry& entry) {
        return entry.addresses && entry.addresses->contains(address);
    });
}

}  // namespace anchorhold::dialer
