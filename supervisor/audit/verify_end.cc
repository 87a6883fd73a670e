// What is compared behind the last line: the state, the anchors, and what neither can tell.
#include <fmt/format.h>

#include <utility>

#include "supervisor/audit/verify_progress.h"

namespace anchorhold::supervisor {

void LogChecker::Progress::check_state(const RatchetState& state) {
    lines = 0;
    if (!report.log_id.empty() && to_hex(state.log_id) != report.log_id) {
        find(0, "the state beside the log is another log's: one of them was replaced");
        return;
    }
    const uint64_t written = state.position.records;
    if (written > report.records) {
        find(report.records + 1, fmt::format("{} missing from the end: {} were written",
                                             span_of(report.records + 1, written), written));
    } else if (written == report.records && head_known && state.position.head != report.head) {
        find(written,
             fmt::format("record {}, the last one, is not the one that was written", written));
    }
    if (key_of == 0 || written + 1 < key_of || written + 1 - key_of > kMaxRatchetGap) {
        return;  // a writer at work, or no key
    }
    MacKey reached = key;
    for (uint64_t n = key_of; n < written + 1; ++n) {
        ratchet.advance(reached);
    }
    if (reached != state.position.key) {
        find(0, "the state beside the log does not hold this log's key: it was changed");
    }
    wipe(reached);
}

void LogChecker::Progress::check_anchors() {
    lines = 0;
    for (size_t i = 0; i < options.anchors.size(); ++i) {
        const Anchor& anchor = options.anchors[i];
        if (anchor.sandbox != sandbox) {
            find(0, fmt::format("an anchor is of sandbox {}", anchor.sandbox));
        } else if (anchor.log_id != report.log_id) {
            find(0, fmt::format("an anchor is of log {} of this sandbox: the log was replaced",
                                anchor.log_id));
        } else if (options.signer && anchor.signer != *options.signer) {
            find(0, "an anchor is signed by another installation's key");
        } else if (!anchors_met[i]) {
            find(anchor.records,
                 fmt::format("record {} was anchored and is not there: the log was rolled back or "
                             "cut",
                             anchor.records));
        }
    }
}

void LogChecker::Progress::say_unknown(bool has_state) {
    if (!report.macs_checked) {
        report.unknown.push_back(
            "MACs were not checked, because the owner's key is not here (--owner-key): a log that "
            "was rewritten as a whole with this installation's signing key does not show");
    }
    if (!has_state) {
        report.unknown.push_back(
            "there is no state beside the log: records cut from its end do not show");
    }
    if (report.checkpointed < report.records) {
        const uint64_t behind = report.checkpointed + 1;
        if (report.records > behind) {
            report.unknown.push_back(
                fmt::format("{} under no checkpoint yet", span_of(behind, report.records - 1)));
        }
    }
    if (report.anchored < report.records) {
        report.unknown.push_back(fmt::format(
            "{} not anchored: a rollback to an earlier copy of all files does not show, nor does "
            "what somebody did who had all keys",
            span_of(report.anchored + 1, report.records)));
    }
}

VerifyReport LogChecker::finish(const std::optional<RatchetState>& state) {
    Progress& at = *progress_;
    if (at.torn) {
        at.report.notes.push_back(
            "the last line is torn: a writer is at work or was interrupted; the next one repairs "
            "it");
    }
    if (state) {
        at.check_state(*state);
    }
    at.check_anchors();
    at.say_unknown(state.has_value());
    return std::move(at.report);
}

}  // namespace anchorhold::supervisor
