// The audit log's readers against a file of anything: the check, the display, the exports.
#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "supervisor/audit/anchor.h"
#include "supervisor/audit/export.h"
#include "supervisor/audit/log_line.h"
#include "supervisor/audit/record_filter.h"
#include "supervisor/audit/record_text.h"
#include "supervisor/audit/verify.h"

namespace anchorhold::supervisor {
namespace {

void show(std::string_view line, OcsfExport& ocsf) {
    const auto record = nlohmann::json::parse(line, nullptr, false);
    if (!record.is_object()) {
        return;
    }
    for (const char c : record_text(record, Colour::off)) {
        ANCHORHOLD_CHECK(c >= 0x20 && c < 0x7f);
    }
    ANCHORHOLD_CHECK(nlohmann::json::accept(ocsf.event(record)));
    ANCHORHOLD_CHECK(nlohmann::json::accept(otel_request(record)));
    static const RecordFilter filter = RecordFilter::parse("host=*.example,verdict=d*y").value();
    static_cast<void>(filter.matches(record));
}

void check(std::string_view bytes) {
    LogChecker checker("box", {});
    OcsfExport ocsf;
    while (!bytes.empty()) {
        const size_t end = bytes.find('\n');
        const std::string_view line = bytes.substr(0, end);
        checker.line(
            line, end == std::string_view::npos ? LogChecker::End::torn : LogChecker::End::newline);
        show(line, ocsf);
        static_cast<void>(parse_anchor(line));
        bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
    }
    static_cast<void>(checker.finish(std::nullopt));
}

}  // namespace
}  // namespace anchorhold::supervisor

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    anchorhold::supervisor::check({reinterpret_cast<const char*>(data), size});
    return 0;
}
