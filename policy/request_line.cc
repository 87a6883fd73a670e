// Scheme, authority, target; the strict parsers do the rest.
#include "policy/request_line.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>

#include "base/log.h"
#include "policy/host_name.h"

namespace anchorhold::policy {
namespace {

struct Scheme {
    std::string_view text;
    proto::Protocol protocol;
    uint16_t port;
};
constexpr std::array<Scheme, 4> kSchemes = {{{"https://", proto::HTTPS, 443},
                                             {"http://", proto::HTTP, 80},
                                             {"tls://", proto::TLS, 443},
                                             {"tcp://", proto::TCP, 0}}};

std::vector<unsigned char> address_bytes(const std::string& literal) {
    const bool v6 = literal.find(':') != std::string::npos;
    std::vector<unsigned char> bytes(v6 ? 16 : 4);
    inet_pton(v6 ? AF_INET6 : AF_INET, literal.c_str(), bytes.data());
    return bytes;
}

}  // namespace

Result<RequestLine> RequestLine::parse(std::string_view text) {
    const auto refused = [&](std::string_view why) {
        return fail(fmt::format("request '{}': {}", log::escaped(text, 200), why));
    };
    RequestLine line;
    std::string_view url = text;
    if (const size_t space = text.find(' '); space != std::string_view::npos) {
        line.method_ = std::string(text.substr(0, space));
        url = text.substr(space + 1);
    }
    const Scheme* scheme = nullptr;
    for (const Scheme& candidate : kSchemes) {
        scheme = url.starts_with(candidate.text) ? &candidate : scheme;
    }
    if (scheme == nullptr) {
        return refused("write for example 'GET https://api.example.com/v1/x' or tcp://host:port");
    }
    line.protocol_ = scheme->protocol;
    url.remove_prefix(scheme->text.size());
    const size_t end = std::min(url.find_first_of("/?#"), url.size());
    auto authority = parse_authority(url.substr(0, end));
    if (!authority) {
        return refused(authority.error().message);
    }
    line.port_ = authority->port != 0 ? authority->port : scheme->port;
    if (line.port_ == 0) {
        return refused("tcp needs a port, as in tcp://host:5432");
    }
    if (authority->literal) {
        line.address_ = address_bytes(authority->host);
    } else {
        line.host_ = std::move(authority->host);
    }
    if (line.is_spliced()) {
        if (!line.method_.empty() || end != url.size()) {
            return refused("a connection has no method and no path");
        }
        return line;
    }
    if (line.method_.empty()) {
        return refused("a method is missing, as in 'GET https://…'");
    }
    const std::string_view rest = url.substr(end);
    auto target = parse_target(rest.starts_with('/') ? std::string(rest) : "/" + std::string(rest));
    if (!target) {
        return refused(target.error().message);
    }
    line.target_ = std::move(*target);
    return line;
}

Endpoint RequestLine::endpoint() const {
    return Endpoint{.host = host_, .address = address_, .port = port_};
}

Request RequestLine::request() const {
    Request request;
    request.endpoint = endpoint();
    request.protocol = protocol_;
    request.method = method_;
    request.target = &target_;
    return request;
}

Decision decide(const Evaluator& evaluator, const RequestLine& line, std::string_view content_type,
                std::string_view body) {
    if (line.is_spliced()) {
        return evaluator.evaluate_connection(line.endpoint(), line.protocol());
    }
    Request request = line.request();
    request.content_type = content_type;
    request.body = body;
    return evaluator.evaluate(request);
}

}  // namespace anchorhold::policy
