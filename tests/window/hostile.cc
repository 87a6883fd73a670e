// An attack is sent, then answer, record and upstream are looked at.
#include "window/hostile.h"

#include <sys/socket.h>

#include <cerrno>

#include "proxy/credentials/encodings.h"

namespace anchorhold::window_test {
namespace {

void replace_all(std::string& text, std::string_view mark, std::string_view by) {
    for (size_t at = 0; (at = text.find(mark, at)) != std::string::npos; at += by.size()) {
        text.replace(at, mark.size(), by);
    }
}

}  // namespace

WindowOptions HostileGuest::options_for(const StandIn& upstream, const char* policy) {
    return {.policies = {policy},
            .hosts = {{"api.example.com", upstream.port()},
                      {"other.example.com", upstream.port()},
                      {"open.example.com", upstream.port()}},
            .secrets = {{"api-key", kApiKey}, {"other-key", kOtherKey}},
            .upstream_roots = upstream.root_pem()};
}

HostileGuest::HostileGuest(StandIn::Handler handler, const char* policy)
    : upstream(std::move(handler)), window(options_for(upstream, policy)) {}

bool HostileGuest::greet(const Received&, ByteStream& stream) {
    return stream.write(ok_answer("hello"));
}

std::string HostileGuest::filled(std::string request) const {
    const std::string placeholder = window.placeholder("api-key");
    replace_all(request, "{P64}", proxy::base64_encode("note: " + placeholder).view());
    replace_all(request, "{P}", placeholder);
    replace_all(request, "{Q}", window.placeholder("other-key"));
    const size_t body = request.size() - (request.find("\r\n\r\n") + 4);
    replace_all(request, "{L}", std::to_string(body));
    return request;
}

void HostileGuest::expect_denied(const Attack& attack) {
    const auto stream = window.open_tls(attack.host);
    stream->write(filled(attack.request));
    std::string buffer;
    const HttpAnswer answer = read_answer(*stream, buffer);
    EXPECT_EQ(answer.status, attack.status) << answer.head;
    window.wait_for_denial(attack.reason);
    EXPECT_TRUE(upstream.received().empty()) << upstream.received()[0].head;
    expect_no_secret_on_record();
}

void HostileGuest::expect_no_secret_on_record() {
    const std::string log = window.log_text();
    EXPECT_EQ(log.find(kApiKey), std::string::npos);
    EXPECT_EQ(log.find(kOtherKey), std::string::npos);
}

std::optional<std::string> read_to_end(GuestStream& stream) {
    std::string all;
    for (;;) {
        errno = 0;
        const std::string more = stream.read_some();
        if (more.empty()) {
            return errno == EAGAIN ? std::nullopt : std::optional(all);
        }
        all += more;
    }
}

}  // namespace anchorhold::window_test
