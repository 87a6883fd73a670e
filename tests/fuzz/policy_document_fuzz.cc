// A policy file by anybody: read without harm, and what is read composes, evaluates, prints and is
// within itself unless a conflict is reported.
#include <string>

#include "base/check.h"
#include "policy/compose.h"
#include "policy/digest.h"
#include "policy/document.h"
#include "policy/evaluator.h"
#include "policy/print.h"
#include "policy/request_line.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    namespace policy = anchorhold::policy;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    auto document = policy::parse_document(text, "fuzz.yaml");
    if (!document) {
        ANCHORHOLD_CHECK(document.error().message.starts_with("fuzz.yaml:"));
        ANCHORHOLD_CHECK(document.error().message.find('\n') == std::string::npos);
        return 0;
    }
    const auto composed = policy::compose({*document});
    if (!composed) {
        return 0;
    }
    ANCHORHOLD_CHECK(!policy::print_policy(*composed).empty());
    ANCHORHOLD_CHECK(!policy::print_policy_json(*composed).empty());
    const auto evaluator = policy::Evaluator::create(*composed);
    ANCHORHOLD_CHECK(evaluator.has_value());
    for (const char* request : {"GET https://a.example.com/x?y=z", "tcp://192.0.2.1:22"}) {
        const auto line = policy::RequestLine::parse(request);
        (void)policy::decide(*evaluator, *line, "application/json", "{}");
    }
    return 0;
}
