// Match, resolve, check, connect, and through an upstream proxy where one is configured.
#include "dialer/dial.h"

#include <fmt/format.h>

#include <cerrno>

namespace anchorhold::dialer {

std::optional<DialTarget> read_target(const proto::Dial& dial) {
    if (dial.port() == 0 || dial.port() > UINT16_MAX ||
        dial.host().empty() == dial.address().empty()) {
        return std::nullopt;
    }
    DialTarget target;
    target.port = static_cast<uint16_t>(dial.port());
    if (dial.address().empty()) {
        target.name = is_plain_name(dial.host()) ? dial.host() : "";
        return target;
    }
    target.address = IpAddress::from_bytes(dial.address());
    return target.address ? std::optional(target) : std::nullopt;
}

Dial::Dial(DialContext& context, uint64_t client, const Destinations& destinations,
           DialTarget target, Done done)
    : context_(context), client_(client), target_(std::move(target)), done_(std::move(done)) {
    begin(destinations);
}

Dial::~Dial() {
    context_.loop.cancel_timer(timer_);
    context_.resolver.cancel(ticket_);
}

void Dial::begin(const Destinations& destinations) {
    auto named = target_.address        ? destinations.match_address(*target_.address, target_.port)
                 : target_.name.empty() ? std::nullopt
                                        : destinations.match_name(target_.name, target_.port);
    if (!named) {
        finish_later(proto::DialAnswer::NOT_LISTED, "no destination of this sandbox");
        return;
    }
    named_ = std::move(*named);
    const Override* override = context_.routes.override_for(target_.name);
    if (override != nullptr) {
        connect_checked({override->address}, override->port == 0 ? target_.port : override->port);
        return;
    }
    if (target_.address) {
        // The check comes first also where a proxy does the rest.
        if (const auto refusal = context_.check.refusal(*target_.address, named_)) {
            finish_later(proto::DialAnswer::FORBIDDEN_ADDRESS, *refusal);
            return;
        }
    }
    const UpstreamRoute* route = context_.routes.proxy_for(target_.name);
    if (route != nullptr) {
        through_proxy(*route);
    } else if (target_.address) {
        connect_checked({*target_.address}, target_.port);
    } else {
        resolve(target_.name, [this](std::vector<IpAddress> addresses) {
            connect_checked(std::move(addresses), target_.port);
        });
    }
}

void Dial::resolve(const std::string& name, std::function<void(std::vector<IpAddress>)> then) {
    timer_ = context_.loop.add_timer(context_.times.resolve, [this, name] {
        timer_ = 0;
        finish({proto::DialAnswer::UNREACHABLE, name + " was not resolved in time", {}});
    });
    ticket_ = context_.resolver.resolve(
        client_, name, [this, name, then = std::move(then)](Resolution resolution) {
            ticket_ = 0;
            context_.loop.cancel_timer(timer_);
            switch (resolution.outcome) {
                case Resolution::Outcome::found:
                    then(std::move(resolution.addresses));
                    return;
                case Resolution::Outcome::no_such_name:
                    finish({proto::DialAnswer::NO_SUCH_NAME, "there is no " + name, {}});
                    return;
                case Resolution::Outcome::failed:
                    finish({proto::DialAnswer::UNREACHABLE, name + ": " + resolution.detail, {}});
                    return;
                case Resolution::Outcome::busy:
                    finish({proto::DialAnswer::TOO_MANY, resolution.detail, {}});
                    return;
            }
        });
}

void Dial::connect_checked(std::vector<IpAddress> addresses, uint16_t port) {
    // One forbidden address refuses the name: an honest one does not mix them.
    for (const IpAddress& address : addresses) {
        if (const auto refusal = context_.check.refusal(address, named_)) {
            finish_later(
                proto::DialAnswer::FORBIDDEN_ADDRESS,
                target_.address ? *refusal : fmt::format("{}: {}", target_.name, *refusal));
            return;
        }
    }
    connect_ = std::make_unique<Connect>(
        context_.loop, std::move(addresses), port, context_.times.connect,
        [this](Result<Connected> connected) {
            if (!connected) {
                finish({proto::DialAnswer::UNREACHABLE, connected.error().message, {}});
                return;
            }
            finish({proto::DialAnswer::CONNECTED, "", std::move(*connected)});
        });
}

void Dial::through_proxy(const UpstreamRoute& route) {
    // The proxy's own address is the installation's choice and needs no policy.
    const auto connect = [this, &route](std::vector<IpAddress> addresses) {
        connect_ = std::make_unique<Connect>(
            context_.loop, std::move(addresses), route.port, context_.times.connect,
            [this, &route](Result<Connected> connected) {
                if (!connected) {
                    finish({proto::DialAnswer::UNREACHABLE,
                            "upstream proxy: " + connected.error().message,
                            {}});
                    return;
                }
                tunnel(route, std::move(*connected));
            });
    };
    if (const auto literal = IpAddress::parse(route.host)) {
        connect({*literal});
    } else {
        resolve(route.host, connect);
    }
}

void Dial::tunnel(const UpstreamRoute& route, Connected connected) {
    const std::string host = !target_.address           ? target_.name
                             : target_.address->is_v4() ? target_.address->text()
                                                        : "[" + target_.address->text() + "]";
    const IpAddress proxy = connected.address;
    tunnel_ = std::make_unique<HttpConnect>(
        context_.loop, std::move(connected.socket),
        connect_request(fmt::format("{}:{}", host, target_.port), route.authorization),
        context_.times.upstream_proxy, [this, proxy](Result<OwnFd> socket) {
            if (!socket) {
                finish({socket.error().code == EACCES ? proto::DialAnswer::UPSTREAM_PROXY_REFUSED
                                                      : proto::DialAnswer::UNREACHABLE,
                        socket.error().message,
                        {}});
                return;
            }
            finish({proto::DialAnswer::CONNECTED, "", Connected{std::move(*socket), proxy}});
        });
}

void Dial::finish_later(Outcome outcome, std::string detail) {
    timer_ = context_.loop.add_timer(Duration::zero(), [this, outcome, detail = std::move(detail)] {
        timer_ = 0;
        finish({outcome, detail, {}});
    });
}

void Dial::finish(DialResult result) {
    const Done done = std::move(done_);
    done(std::move(result));  // this object may be gone now
}

}  // namespace anchorhold::dialer
