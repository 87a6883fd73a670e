// The writer: events to lines, lines to the file, the state behind them.
#include "supervisor/audit/audit_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/rand.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/sys.h"
#include "supervisor/audit/event_fields.h"
#include "supervisor/audit/group_sync.h"
#include "supervisor/audit/record_chain.h"
#include "supervisor/audit/resume.h"

namespace anchorhold::supervisor {
namespace {

using namespace std::chrono_literals;

constexpr uint64_t kCheckpointRecords = 256;
constexpr Duration kCheckpointDelay = 10s;
constexpr uint64_t kFormat = 1;

uint64_t wall_clock_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

std::string constant_fields(const AuditContext& context) {
    std::string fields;
    append_field(fields, "sandbox", context.sandbox);
    append_field(fields, "principal", context.principal);
    append_field(fields, "parent", context.parent);
    append_field(fields, "policy", context.policy);
    append_field(fields, "budget", context.budget);
    return fields;
}

template <size_t N>
std::array<uint8_t, N> random_bytes() {
    std::array<uint8_t, N> bytes{};
    ANCHORHOLD_CHECK(RAND_bytes(bytes.data(), static_cast<int>(N)) == 1);
    return bytes;
}

Status make_folder(const std::string& path) {
    std::error_code failed;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), failed);
    if (failed || (::mkdir(path.c_str(), 0700) < 0 && errno != EEXIST)) {
        return fail_errno(failed ? failed.value() : errno, "mkdir", path);
    }
    return {};
}

// What cannot be a record any more stays as evidence beside the log.
Status keep_cut(const std::string& folder, int log, const ResumePoint& point) {
    const std::string path = fmt::format("{}/cut-behind-{}", folder, point.state.position.records);
    const OwnFd kept = ANCHORHOLD_TRY(sys::open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    std::array<std::byte, 4096> chunk;
    for (uint64_t done = 0; done < point.cut;) {
        const auto part =
            std::span(chunk).first(std::min<uint64_t>(chunk.size(), point.cut - done));
        ANCHORHOLD_TRY(sys::read_exact_at(log, part, point.state.log_size + done, "audit log"));
        ANCHORHOLD_TRY(sys::write_all(kept.get(), part));
        done += part.size();
    }
    if (::ftruncate(log, static_cast<off_t>(point.state.log_size)) < 0) {
        return fail_errno("ftruncate", "audit log");
    }
    return {};
}

}  // namespace

Result<std::unique_ptr<AuditLog>> AuditLog::open(const AuditKeys& keys, AuditContext context,
                                                 Options options) {
    if (!is_log_name(context.sandbox)) {
        return fail(
            "a sandbox's name has letters, digits, '.', '_' and '-' only, and begins with a "
            "letter or digit");
    }
    const std::string folder = options.folder + "/" + context.sandbox;
    ANCHORHOLD_TRY(make_folder(folder));
    const std::string path = log_path(options.folder, context.sandbox);
    Files files;
    files.log = ANCHORHOLD_TRY(sys::open(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, 0600));
    if (::flock(files.log.get(), LOCK_EX | LOCK_NB) < 0) {
        return fail_errno("flock", path + " (another writer has it)");
    }
    files.state = ANCHORHOLD_TRY(sys::open(state_path(options.folder, context.sandbox),
                                           O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
    ResumePoint point =
        ANCHORHOLD_TRY(find_resume_point(files.log.get(), files.state.get(), context.sandbox));
    if (point.cut > 0) {
        ANCHORHOLD_TRY(keep_cut(folder, files.log.get(), point));
    }
    if (point.state.position.records == 0) {
        const LogKey fresh = ANCHORHOLD_TRY(keys.next_log_key());
        point.state = {random_bytes<sizeof(LogId)>(), {0, Sha256{}, fresh.key}, 0};
        point.serial = fresh.serial;
    }
    std::unique_ptr<AuditLog> log(
        new AuditLog(keys, std::move(context), std::move(options), std::move(files), point));
    wipe(point.state.position.key);
    ANCHORHOLD_TRY(log->begin(point));
    ANCHORHOLD_TRY(log->sync());
    const OwnFd directory = ANCHORHOLD_TRY(sys::open(folder, O_RDONLY | O_DIRECTORY));
    if (::fsync(directory.get()) < 0) {
        return fail_errno("fsync", folder);
    }
    return log;
}

AuditLog::AuditLog(const AuditKeys& keys, AuditContext context, Options options, Files files,
                   const ResumePoint& point)
    : keys_(keys),
      context_(std::move(context)),
      options_(std::move(options)),
      clock_(options_.clock != nullptr ? *options_.clock : steady_clock()),
      path_(log_path(options_.folder, context_.sandbox)),
      files_(std::move(files)),
      log_id_(point.state.log_id),
      size_(point.state.log_size),
      group_sync_(std::make_unique<GroupSync>(files_.log.get())) {
    ChainPosition from = point.state.position;
    if (point.lost_last > 0 && from.records != 0) {
        from.records = point.lost_last;
    }
    covered_ = from.records;
    chain_ = std::make_unique<RecordChain>(from, constant_fields(context_));
    wipe(from.key);
}

AuditLog::~AuditLog() {
    [[maybe_unused]] const Status closed = close();
}

// The records that say how this writer began.
Status AuditLog::begin(const ResumePoint& point) {
    if (chain_->position().records == 0) {
        // The key is known before anything is written with it.
        ANCHORHOLD_TRY(write_state(files_.state.get(), {log_id_, chain_->position(), 0}));
        std::string& record = chain_->begin(wall_clock_ns(), "log");
        append_field(record, "format", kFormat);
        append_field(record, "log", to_hex(log_id_));
        append_field(record, "signer", to_hex(keys_.signing_public()));
        append_field(record, "owner", to_hex(keys_.owner_id()));
        append_field(record, "serial", point.serial);
        chain_->end();
    }
    if (point.cut > 0) {
        append_field(chain_->begin(wall_clock_ns(), "repaired"), "cut_bytes", point.cut);
        chain_->end();
    }
    if (point.lost_last > 0) {
        std::string& record = chain_->begin(wall_clock_ns(), "lost");
        append_field(record, "first", point.lost_first);
        append_field(record, "last", point.lost_last);
        if (!point.lost_log.empty()) {
            append_field(record, "of_log", point.lost_log);
        }
        chain_->end();
    }
    return chain_->pending().empty() ? Status() : write_pending();
}

Status AuditLog::append(std::span<const proto::AuditEvent> events) {
    ANCHORHOLD_CHECK(!closed_);
    ANCHORHOLD_TRY(group_sync_->failure());
    for (const proto::AuditEvent& event : events) {
        std::string& record = chain_->begin(
            event.time_ns() != 0 ? event.time_ns() : wall_clock_ns(), event_word(event));
        append_event_fields(record, event);
        chain_->end();
    }
    if (chain_->position().records - covered_ >= kCheckpointRecords) {
        add_checkpoint();
    }
    return chain_->pending().empty() ? Status() : write_pending();
}

void AuditLog::add_checkpoint() {
    const ChainPosition& position = chain_->position();
    const Signature signature = keys_.sign(
        checkpoint_message(to_hex(log_id_), context_.sandbox, position.records, position.head));
    const uint64_t covers = position.records;
    std::string& record = chain_->begin(wall_clock_ns(), "checkpoint");
    append_field(record, "covers", covers);
    append_field(record, "signature", to_hex(signature));
    chain_->end();
    checkpoint_pending_ = true;
}

Status AuditLog::write_pending() {
    const std::string& pending = chain_->pending();
    Status written = sys::write_all(files_.log.get(), pending);
    if (written) {
        written =
            write_state(files_.state.get(), {log_id_, chain_->position(), size_ + pending.size()});
    }
    if (written && options_.sync == Sync::each_batch) {
        written = sync_data(files_.log.get());
    }
    const bool checkpointed = std::exchange(checkpoint_pending_, false);
    if (!written) {
        // Readers skip a torn line, and the next batch must not stand behind one.
        if (::ftruncate(files_.log.get(), static_cast<off_t>(size_)) < 0) {
            return fail_errno("ftruncate", path_);
        }
        chain_->roll_back();
        // Best effort: a state that is ahead reads as a loss at the next start.
        [[maybe_unused]] const Status restored =
            write_state(files_.state.get(), {log_id_, chain_->position(), size_});
        return tl::unexpected(written.error().within(path_));
    }
    size_ += pending.size();
    chain_->commit();
    if (options_.sync == Sync::grouped) {
        group_sync_->dirty();
    }
    if (checkpointed) {
        covered_ = chain_->position().records;
        checkpoint_due_.reset();
    } else if (!checkpoint_due_) {
        checkpoint_due_ = clock_.now() + kCheckpointDelay;
    }
    return {};
}

std::optional<TimePoint> AuditLog::next_maintenance() const {
    return closed_ ? std::nullopt : checkpoint_due_;
}

Status AuditLog::maintain() {
    if (closed_ || !checkpoint_due_ || clock_.now() < *checkpoint_due_) {
        return {};
    }
    add_checkpoint();
    return write_pending();
}

Status AuditLog::sync() {
    ANCHORHOLD_TRY(group_sync_->failure());
    return sync_data(files_.log.get());
}

Status AuditLog::close() {
    if (closed_) {
        return {};
    }
    closed_ = true;
    if (chain_->position().records > covered_) {
        add_checkpoint();
        ANCHORHOLD_TRY(write_pending());
    }
    return sync();
}

uint64_t AuditLog::records() const {
    return chain_->position().records;
}

}  // namespace anchorhold::supervisor
