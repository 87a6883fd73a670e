// A resolved policy off the wire, whatever is in it: it is refused, or it decides.
#include <array>
#include <cstdint>

#include "base/check.h"
#include "policy/evaluator.h"
#include "policy/target.h"
#include "proto/frame.h"

namespace {

using namespace anchorhold;

constexpr std::array<unsigned char, 4> kAddress = {192, 0, 2, 1};

void decide(const policy::Evaluator& evaluator, const policy::Endpoint& endpoint) {
    [[maybe_unused]] const auto protocol = evaluator.protocol_of(endpoint);
    for (const proto::Protocol raw : {proto::TLS, proto::TCP}) {
        [[maybe_unused]] const auto decision = evaluator.evaluate_connection(endpoint, raw);
        ANCHORHOLD_CHECK(!evaluator.explain_connection(endpoint, raw).empty() ||
                         evaluator.policy().rules_size() == 0);
    }
    for (const char* text : {"/v1/models", "/graphql?query=x", "/"}) {
        const auto target = policy::parse_target(text);
        ANCHORHOLD_CHECK(target.has_value());
        policy::Request request;
        request.endpoint = endpoint;
        request.method = "POST";
        request.target = &*target;
        request.content_type = "application/json";
        request.body = R"({"jsonrpc":"2.0","id":1,"method":"tools/list","query":"{ a }"})";
        ANCHORHOLD_CHECK(evaluator.body_needed(request) <= policy::kMaxReadBody);
        [[maybe_unused]] const auto decision = evaluator.evaluate(request);
        [[maybe_unused]] const auto why = evaluator.explain(request);
    }
    for (const proto::Binding* binding : evaluator.bindings_of(endpoint)) {
        ANCHORHOLD_CHECK(binding != nullptr);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    auto resolved = proto::parse<proto::ResolvedPolicy>({reinterpret_cast<const char*>(data), size},
                                                        "the resolved policy");
    if (!resolved) {
        return 0;
    }
    const auto evaluator = policy::Evaluator::create(std::move(*resolved));
    if (!evaluator) {
        return 0;
    }
    for (const proto::Rule& rule : evaluator->policy().rules()) {
        ANCHORHOLD_CHECK(evaluator->origin_text(rule.origin()).size() < (1 << 20));
    }
    decide(*evaluator, {.host = "api.example.com", .address = {}, .port = 443});
    decide(*evaluator, {.host = "a.b", .address = {}, .port = 80});
    decide(*evaluator, {.host = {}, .address = kAddress, .port = 5432});
    return 0;
}
