// What a check of a log has seen so far. Internal to this folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/audit/digest.h"
#include "supervisor/audit/log_line.h"
#include "supervisor/audit/record_fields.h"
#include "supervisor/audit/verify.h"

namespace anchorhold::supervisor {

// A gap in the numbers that is still hashed over: half a minute.
constexpr uint64_t kMaxRatchetGap = 10'000'000;

// "record 3 is", "records 3 to 5 are".
[[nodiscard]] std::string span_of(uint64_t first, uint64_t last);

struct LogChecker::Progress {
    static constexpr size_t kMaxFindings = 1000;

    Progress(std::string its_sandbox, VerifyOptions its_options)
        : sandbox(std::move(its_sandbox)), options(std::move(its_options)) {}
    ~Progress() { wipe(key); }

    void find(uint64_t record, std::string what) {
        if (report.findings.size() < kMaxFindings) {
            report.findings.push_back({record, lines, std::move(what)});
        }
    }
    // What follows cannot be compared with the line before it.
    void lose_head() { head_known = false; }

    bool place(const LogLine& record, std::string_view text);
    void special(const LogLine& record, std::string_view text);
    void begin(const LogLine& record, const nlohmann::json& fields);
    void lost(const LogLine& record, const nlohmann::json& fields);
    void checkpoint(const LogLine& record, const nlohmann::json& fields);
    bool check_mac(const LogLine& record);
    void check_state(const RatchetState& state);
    void check_anchors();
    void say_unknown(bool has_state);

    const std::string sandbox;
    const VerifyOptions options;
    VerifyReport report;
    uint64_t lines = 0;
    uint64_t expected = 1;
    bool skipped = false;  // a line before was no record and may have stood for `expected`
    bool head_known = true;
    bool torn = false;
    std::optional<PublicKey> signer;
    MacKey key{};
    uint64_t key_of = 0;  // the record whose key `key` is; 0: none
    Hasher hasher;
    Ratchet ratchet;
    std::vector<bool> anchors_met;
};

}  // namespace anchorhold::supervisor
