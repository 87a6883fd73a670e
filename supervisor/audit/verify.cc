// One pass over the lines. After a finding the check goes on from what is there, so that one fault
// is one finding where it can be.
#include "supervisor/audit/verify.h"

#include <fcntl.h>
#include <fmt/format.h>

#include "base/log.h"
#include "base/sys.h"
#include "supervisor/audit/digest.h"
#include "supervisor/audit/line_reader.h"
#include "supervisor/audit/log_folder.h"
#include "supervisor/audit/log_line.h"
#include "supervisor/audit/record_chain.h"
#include "supervisor/audit/record_fields.h"

namespace anchorhold::supervisor {
namespace {

constexpr size_t kMaxFindings = 1000;
constexpr uint64_t kMaxRatchetGap = 10'000'000;  // half a minute of hashing

std::string span_of(uint64_t first, uint64_t last) {
    return first >= last ? fmt::format("record {} is", first)
                         : fmt::format("records {} to {} are", first, last);
}

}  // namespace

struct LogChecker::Progress {
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

namespace {

struct Beginning {
    uint64_t serial = 0;
    std::string time;
};

// What the first record of a log says; nullopt when it cannot be read.
std::optional<Beginning> beginning_of(const std::string& path) {
    const auto log = sys::open(path, O_RDONLY);
    if (!log) {
        return std::nullopt;
    }
    LineReader reader(log->get());
    const auto line = reader.next();
    if (!line || !line->has_value()) {
        return std::nullopt;
    }
    const auto fields = nlohmann::json::parse((*line)->text, nullptr, false);
    return fields.is_object() ? std::optional(Beginning{number_field(fields, "serial"),
                                                        string_field(fields, "time")})
                              : std::nullopt;
}

// A log made to replace another cannot have an old serial number, and so stands out of line among
// the others when it claims an old time.
void compare_with_others(const std::string& folder, const std::string& sandbox,
                         VerifyReport& report) {
    const auto entries = list_logs(folder);
    if (!entries || report.serial == 0) {
        return;
    }
    for (const LogEntry& entry : *entries) {
        const auto other =
            entry.sandbox == sandbox ? std::nullopt : beginning_of(log_path(folder, entry.sandbox));
        if (!other || other->serial == 0) {
            continue;
        }
        if (other->serial == report.serial) {
            report.findings.push_back(
                {1, 1,
                 fmt::format("the log has the serial number {} of the log of {}", report.serial,
                             entry.sandbox)});
        } else if ((other->serial < report.serial) != (other->time < report.began)) {
            report.notes.push_back(fmt::format(
                "this log is number {} and the log of {} number {}, but their first times say "
                "otherwise: the clock was set back, or one of them was made later than it says",
                report.serial, entry.sandbox, other->serial));
        }
    }
}

}  // namespace

Result<VerifyReport> verify_log(const std::string& folder, const std::string& sandbox,
                                VerifyOptions options) {
    const OwnFd log = ANCHORHOLD_TRY(sys::open(log_path(folder, sandbox), O_RDONLY));
    // The state first: a writer at work only makes the log longer than it says.
    std::optional<RatchetState> state;
    if (const auto fd = sys::open(state_path(folder, sandbox), O_RDONLY)) {
        state = ANCHORHOLD_TRY(read_state(fd->get()));
    }
    LogChecker checker(sandbox, std::move(options));
    LineReader reader(log.get());
    for (;;) {
        const auto line = ANCHORHOLD_TRY(reader.next());
        if (!line) {
            break;
        }
        checker.line(line->text, line->whole ? LogChecker::End::newline : LogChecker::End::torn);
        if (!line->whole) {
            break;
        }
    }
    VerifyReport report = checker.finish(state);
    compare_with_others(folder, sandbox, report);
    return report;
}

}  // namespace anchorhold::supervisor
