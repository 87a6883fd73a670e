// Is a log what its writer wrote? Finds edits, reorders, cuts, duplicates and foreign records, and
// says what it cannot know.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "supervisor/audit/anchor.h"
#include "supervisor/audit/audit_keys.h"
#include "supervisor/audit/ratchet_state.h"

namespace anchorhold::supervisor {

struct VerifyOptions {
    std::optional<PublicKey> signer;  // the installation's, from elsewhere than the log
    const OwnerKey* owner = nullptr;  // without it MACs are not checked
    std::vector<Anchor> anchors;
};

struct Finding {
    uint64_t record = 0;  // the first one concerned; 0: the log as a whole
    uint64_t line = 0;    // in the file, from 1; 0: none
    std::string what;     // one line
};

struct VerifyReport {
    std::vector<Finding> findings;     // empty: nothing speaks against the log
    std::vector<std::string> notes;    // what happened and is no fault: repairs
    std::vector<std::string> unknown;  // what this check cannot tell
    std::string log_id;
    uint64_t serial = 0;   // of the log in its installation
    std::string began;     // the first record's time
    uint64_t records = 0;  // the last one's number
    Sha256 head{};
    uint64_t checkpointed = 0;  // the last record under a checkpoint whose signature holds
    uint64_t anchored = 0;      // the last record that an anchor vouches for
    bool macs_checked = false;
};

// Fed line by line. The lines are not trusted.
class LogChecker {
  public:
    LogChecker(std::string sandbox, VerifyOptions options);
    ~LogChecker();
    LogChecker(const LogChecker&) = delete;
    LogChecker& operator=(const LogChecker&) = delete;

    // `whole`: the line had its newline.
    enum class End { newline, torn };
    void line(std::string_view text, End end);
    // `state`: what lies beside the log, where it can be read.
    [[nodiscard]] VerifyReport finish(const std::optional<RatchetState>& state);

  private:
    struct Progress;
    std::unique_ptr<Progress> progress_;
};

// Reads <folder>/<sandbox>/. An error: it cannot be read.
[[nodiscard]] Result<VerifyReport> verify_log(const std::string& folder, const std::string& sandbox,
                                              VerifyOptions options);

}  // namespace anchorhold::supervisor
