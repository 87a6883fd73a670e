// One pass over the lines. After a finding the check goes on from what is there, so that one fault
// is one finding where it can be.
#include "supervisor/audit/verify.h"

#include <fmt/format.h>

#include "base/log.h"
#include "supervisor/audit/record_chain.h"
#include "supervisor/audit/verify_progress.h"

namespace anchorhold::supervisor {
std::string span_of(uint64_t first, uint64_t last) {
    return first >= last ? fmt::format("record {} is", first)
                         : fmt::format("records {} to {} are", first, last);
}

LogChecker::LogChecker(std::string sandbox, VerifyOptions options)
    : progress_(std::make_unique<Progress>(std::move(sandbox), std::move(options))) {
    progress_->signer = progress_->options.signer;
    progress_->anchors_met.resize(progress_->options.anchors.size());
}

LogChecker::~LogChecker() = default;

void LogChecker::line(std::string_view text, End end) {
    Progress& at = *progress_;
    ++at.lines;
    if (end == End::torn) {
        at.torn = true;
        return;
    }
    const auto record = parse_log_line(text);
    if (!record) {
        at.find(at.expected,
                fmt::format("line {} is no record: it was damaged or put there", at.lines));
        at.skipped = true;
        at.lose_head();
        return;
    }
    if (record->sandbox != at.sandbox) {
        at.find(record->n, fmt::format("record {} in line {} belongs to sandbox {}", record->n,
                                       at.lines, log::escaped(record->sandbox, 128)));
        at.skipped = true;
        at.lose_head();
        return;
    }
    if (!at.place(*record, text)) {
        return;
    }
    at.special(*record, text);
    const bool honest = at.check_mac(*record);
    const Sha256 hash = at.hasher.of(text);
    at.report.records = record->n;
    at.report.head = hash;
    at.head_known =
        honest;  // a change was found here already; the next line need not show it again
    for (size_t i = 0; i < at.options.anchors.size(); ++i) {
        const Anchor& anchor = at.options.anchors[i];
        if (anchor.records != record->n || anchor.sandbox != at.sandbox) {
            continue;
        }
        at.anchors_met[i] = true;
        if (anchor.head != hash) {
            at.find(record->n, fmt::format("record {} is not the one that was anchored: the log "
                                           "was rewritten",
                                           record->n));
        } else {
            at.report.anchored = std::max(at.report.anchored, record->n);
        }
    }
}

// Number and chain. False: the record does not belong here and is not looked at any further.
bool LogChecker::Progress::place(const LogLine& record, std::string_view text) {
    const bool in_place = record.n == expected || (skipped && record.n == expected + 1);
    if (!in_place && record.n < expected) {
        const bool same = record.n == report.records && hasher.of(text) == report.head;
        find(record.n, same ? fmt::format("record {} is there twice", record.n)
                            : fmt::format("record {} stands behind record {}: reordered or "
                                          "duplicated",
                                          record.n, report.records));
        if (!same) {
            lose_head();
        }
        return false;
    }
    if (!in_place && record.event != "lost") {
        find(expected, fmt::format("{} missing", span_of(expected, record.n - 1)));
        lose_head();
    }
    if (head_known && record.prev != report.head) {
        find(expected > 1 ? expected - 1 : 1,
             fmt::format("record {} does not follow the line before it: record {} was changed, or "
                         "others stood between them",
                         record.n, expected > 1 ? expected - 1 : 1));
    }
    skipped = false;
    expected = record.n == UINT64_MAX ? record.n : record.n + 1;
    return true;
}

void LogChecker::Progress::special(const LogLine& record, std::string_view text) {
    if (lines == 1 && record.event != "log") {
        find(1, "the log does not begin with its first record: its beginning was cut off");
    }
    if (record.event != "log" && record.event != "lost" && record.event != "checkpoint" &&
        record.event != "repaired") {
        return;
    }
    const auto fields = nlohmann::json::parse(text, nullptr, false);
    if (!fields.is_object()) {
        find(record.n, fmt::format("record {} is no JSON: it was damaged", record.n));
    } else if (record.event == "log") {
        begin(record, fields);
    } else if (record.event == "lost") {
        lost(record, fields);
    } else if (record.event == "checkpoint") {
        checkpoint(record, fields);
    } else {
        report.notes.push_back(fmt::format(
            "record {}: the writer before it was interrupted; {} bytes of a torn line were cut off",
            record.n, number_field(fields, "cut_bytes")));
    }
}

void LogChecker::Progress::begin(const LogLine& record, const nlohmann::json& fields) {
    if (record.n != 1 || lines != 1) {
        find(record.n, fmt::format("record {} begins another log", record.n));
        return;
    }
    report.log_id = string_field(fields, "log");
    PublicKey named{};
    if (!from_hex(string_field(fields, "signer"), named)) {
        find(1, "the first record names no signing key: it was changed");
    } else if (!signer) {
        signer = named;
        report.unknown.push_back(
            "the key that checkpoints are checked with is the log's own word; give the "
            "installation's with --signing-key");
    } else if (*signer != named) {
        find(1, "the log names another signing key than the installation's");
    }
    report.serial = number_field(fields, "serial");
    report.began = record.time;
    if (options.owner == nullptr) {
        return;
    }
    if (string_field(fields, "owner") != to_hex(options.owner->id())) {
        find(1, "the log names another owner's key than the one given");
        return;
    }
    if (report.serial == 0 || report.serial > OwnerKey::kMaxSerial) {
        find(1, "the first record has no serial number that a log could have: it was changed");
        return;
    }
    key = options.owner->log_key(report.serial);
    key_of = 1;
    report.macs_checked = true;
}

void LogChecker::Progress::lost(const LogLine& record, const nlohmann::json& fields) {
    const uint64_t first = number_field(fields, "first");
    const uint64_t last = number_field(fields, "last");
    const std::string of_log = string_field(fields, "of_log");
    find(first, of_log.empty()
                    ? fmt::format("{} lost: the writer found them gone when it went on",
                                  span_of(first, last))
                    : fmt::format("an earlier log of this sandbox, {} with {} records, is gone",
                                  log::escaped(of_log, 64), last));
    if (of_log.empty() && record.n != last + 1) {
        find(record.n,
             fmt::format("record {} does not say which records before it are missing", record.n));
    }
}

void LogChecker::Progress::checkpoint(const LogLine& record, const nlohmann::json& fields) {
    Signature signature{};
    const bool holds =
        signer && number_field(fields, "covers") == record.n - 1 &&
        from_hex(string_field(fields, "signature"), signature) &&
        signature_holds(*signer,
                        checkpoint_message(report.log_id, sandbox, record.n - 1, record.prev),
                        signature);
    if (!holds) {
        find(record.n, fmt::format("checkpoint {} is not signed by this installation for this log",
                                   record.n));
    } else if (report.findings.empty()) {
        report.checkpointed = record.n - 1;
    }
}

bool LogChecker::Progress::check_mac(const LogLine& record) {
    if (key_of == 0 || record.n < key_of) {
        return true;
    }
    if (record.n - key_of > kMaxRatchetGap) {
        find(record.n,
             fmt::format("MACs from record {} on are not checked: too many are missing", record.n));
        key_of = 0;
        return true;
    }
    for (; key_of < record.n; ++key_of) {
        ratchet.advance(key);
    }
    const Sha256 mac = ratchet.mac_and_advance(key, record.maced);
    ++key_of;
    if (mac == record.mac) {
        return true;
    }
    find(record.n,
         fmt::format("record {} was changed, or this log's writer did not write it", record.n));
    return false;
}

}  // namespace anchorhold::supervisor
