// A sandbox with bindings, and requests through it: what the tests of credentials share.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proxy/credentials/credentials.h"

namespace anchorhold::proxy {

// Bindings and secrets are added first; the first request() makes the Credentials.
class CredentialBench {
  public:
    static constexpr std::string_view kHost = "api.example.com";

    // A binding of document `document` for kHost:443 that names secret `secret`; the location is
    // the caller's to set.
    proto::Binding& bind(const std::string& secret, uint32_t document = 0);
    proto::Binding& bind_header(const std::string& secret, const std::string& header,
                                const std::string& format, uint32_t document = 0);
    void add_secret(const std::string& name, const std::string& value,
                    const std::string& placeholder);

    // What happened to a request.
    struct Outcome {
        std::optional<Refusal> refused;
        RequestHead head;
        std::string body;  // all that was sent, from apply() to the end
        std::unique_ptr<CredentialUse> use;

        [[nodiscard]] std::string header(std::string_view name) const;
        [[nodiscard]] policy::Reason reason() const {
            return refused ? refused->reason : policy::Reason::none;
        }
    };

    struct Sent {
        std::string method = "GET";
        std::string target = "/v1/things";
        Fields fields{};
        std::string body{};
        size_t piece = 0;  // bytes a piece of a streamed body; 0: the body is collected
        std::string host{kHost};
        proto::Protocol protocol = proto::HTTPS;
        uint32_t document = 0;  // of the rule that allows it
    };
    Outcome request(const Sent& sent);

    // An answer to the outcome's request, in pieces of `piece` bytes (0: whole).
    struct Answer {
        unsigned status = 200;
        Fields fields{};
        std::string body{};
        size_t piece = 0;
    };
    struct Seen {
        ResponseHead head;
        std::string body;
        std::optional<Refusal> refused;
    };
    static Seen answer(Outcome& outcome, const Answer& answer);

    Credentials& credentials();
    proto::ResolvedPolicy policy;

  private:
    SecretStore store_;
    std::optional<Credentials> credentials_;
    std::vector<std::unique_ptr<proto::Rule>> rules_;
};

}  // namespace anchorhold::proxy
