// What the hostile tests share: a policy, secrets, and an upstream that must not hear of an attack.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "window/fixture.h"

namespace anchorhold::window_test {

// api.example.com has a credential, other.example.com another one, open.example.com none.
inline constexpr const char* kHostilePolicy = R"(
version: 1
kind: grant
name: hostile
allow:
  - hosts: [api.example.com, other.example.com, open.example.com]
    methods: [GET, POST]
    paths: ["/v1/**"]
    private_ranges: [127.0.0.0/8]
credentials:
  - secret: api-key
    host: api.example.com
    kind: bearer
    variable: API_KEY
  - secret: other-key
    host: other.example.com
    kind: header
    header: x-api-key
    variable: OTHER_KEY
)";

inline constexpr const char* kApiKey = "sk-live-9f8e7d6c5b4a39281706f5e4d3c2b1a0";
inline constexpr const char* kOtherKey = "ok-live-00112233445566778899aabbccddeeff";

// One request that is one attack. In `request`, {P} stands for the placeholder of api-key, {P64}
// for its base64, {Q} for the placeholder of other-key, {L} for the body's length.
struct Attack {
    const char* name;
    std::string request;
    const char* reason;  // of the denial on record
    int status = 400;    // 0: no answer, the connection ends
    const char* host = "api.example.com";
};
inline void PrintTo(const Attack& attack, std::ostream* out) {
    *out << attack.name;
}
inline std::string attack_name(const ::testing::TestParamInfo<Attack>& info) {
    return info.param.name;
}

// The window and an upstream that answers everything; all three names lead to it.
class HostileGuest : public ::testing::Test {
  protected:
    static WindowOptions options_for(const StandIn& upstream, const char* policy = kHostilePolicy);
    explicit HostileGuest(StandIn::Handler handler = greet, const char* policy = kHostilePolicy);

    static bool greet(const Received& request, ByteStream& stream);
    std::string filled(std::string request) const;
    // Runs the attack and checks the answer, the event, and that the upstream heard no request.
    void expect_denied(const Attack& attack);
    // No event and no answer holds a secret.
    void expect_no_secret_on_record();

    StandIn upstream;
    TestWindow window;
};

class HostileRequest : public HostileGuest, public ::testing::WithParamInterface<Attack> {
  protected:
    explicit HostileRequest(const char* policy = kHostilePolicy) : HostileGuest(greet, policy) {}
};

// Reads until the stream ends; nullopt when it stays open for longer than the stream's deadline.
std::optional<std::string> read_to_end(GuestStream& stream);

}  // namespace anchorhold::window_test
