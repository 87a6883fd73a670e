// Requests read the same in one piece and byte by byte; what is taken is within bounds and leads to
// a route or a refusal, its body to a call or a refusal.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/check.h"
#include "supervisor/service/http_codec.h"
#include "supervisor/service/record.h"
#include "supervisor/service/request_json.h"
#include "supervisor/service/routes.h"

namespace {

using namespace anchorhold::service;

struct Outcome {
    std::string requests;  // one after the other
    int refused = 0;       // HTTP status
};

Outcome read(std::string_view bytes, size_t step) {
    RequestReader reader;
    Outcome outcome;
    for (size_t at = 0; at < bytes.size() && outcome.refused == 0; at += step) {
        if (const auto fed = reader.feed(bytes.substr(at, step)); !fed) {
            outcome.refused = fed.error().code;
        }
        for (;;) {
            const auto request = reader.next();
            if (!request) {
                outcome.refused = request.error().code;
                break;
            }
            if (!*request) {
                break;
            }
            ANCHORHOLD_CHECK((*request)->body.size() <= kMaxBody);
            ANCHORHOLD_CHECK((*request)->target.size() <= kMaxHead);
            outcome.requests +=
                (*request)->method + " " + (*request)->target + " " + (*request)->body + "\n";
            const auto route = match_route((*request)->method, (*request)->target);
            ANCHORHOLD_CHECK(route || (route.error().code >= 400 && route.error().code < 500));
            ANCHORHOLD_CHECK(!route || route->parameter.find('/') == std::string::npos);
            [[maybe_unused]] const auto create = parse_create((*request)->body);
            [[maybe_unused]] const auto run = parse_run((*request)->body);
            [[maybe_unused]] const auto pool = parse_pool((*request)->body);
        }
    }
    ANCHORHOLD_CHECK(outcome.refused == 0 || (outcome.refused >= 400 && outcome.refused < 500));
    return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size > 16384) {
        return 0;
    }
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const Outcome whole = read(bytes, bytes.size());
    const Outcome parts = read(bytes, 1);
    // What came before a refusal depends on how far it was read; nothing is refused in one and
    // taken in the other.
    ANCHORHOLD_CHECK((whole.refused == 0) == (parts.refused == 0));
    ANCHORHOLD_CHECK(whole.refused != 0 || whole.requests == parts.requests);
    // Records are files of ours; one that is not must not do more than be refused.
    if (const auto record = parse_record(bytes)) {
        ANCHORHOLD_CHECK(parse_record(to_json(*record)).has_value());
    }
    return 0;
}
