// The tamper-evident log of one sandbox: JSON lines, numbered, chained, MACed with a key that
// ratchets forward, with signed checkpoints. docs/audit.md has the format and what it can prove.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"
#include "proto/audit.pb.h"
#include "supervisor/audit/audit_keys.h"
#include "supervisor/audit/log_folder.h"
#include "supervisor/audit/ratchet_state.h"

namespace anchorhold::supervisor {

class GroupSync;
class RecordChain;
struct ResumePoint;

// What every record of a log says besides its event; none of it changes in the log's life.
struct AuditContext {
    std::string sandbox;    // also the log's folder name: [A-Za-z0-9][A-Za-z0-9._-]{0,127}
    std::string principal;  // who started the sandbox
    std::string parent;     // the sandbox it was forked from, or empty
    std::string policy;     // digest of the resolved policy, hex
    std::string budget;     // name, or empty
};

// Belongs to one thread. One writer per log: a second open() fails while the first lives.
class AuditLog {
  public:
    enum class Sync {
        grouped,     // on disk within 10 ms of append()
        each_batch,  // on disk when append() returns (--audit-sync)
    };
    struct Options {
        std::string folder;  // default_audit_folder()
        Sync sync = Sync::grouped;
        const Clock* clock = nullptr;  // for checkpoints; null: the host's
    };

    // Makes <folder>/<sandbox>/ and its files, or goes on with them: a torn last line is cut off
    // and a record says so; so it is when records that were written are not there any more.
    // `keys` outlives the log.
    static Result<std::unique_ptr<AuditLog>> open(const AuditKeys& keys, AuditContext context,
                                                  Options options);
    // As close(), errors dropped.
    ~AuditLog();
    AuditLog(const AuditLog&) = delete;
    AuditLog& operator=(const AuditLog&) = delete;

    // Writes the events as one write(2), with a checkpoint behind them where one is due. On success
    // they may be acknowledged. An error leaves the log as it was before; nothing of the batch is
    // in it. An earlier failure to reach the disk is reported here, too.
    Status append(std::span<const proto::AuditEvent> events);

    // When maintain() wants to be called; nullopt: nothing is pending.
    [[nodiscard]] std::optional<TimePoint> next_maintenance() const;
    // Writes the checkpoint that is due 10 s after the first record that none covers.
    Status maintain();

    // Waits until everything written is on disk.
    Status sync();

    // Last checkpoint, sync. Nothing may be appended afterwards.
    Status close();

    [[nodiscard]] uint64_t records() const;  // in the file, checkpoints included
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    struct Files {
        OwnFd log;
        OwnFd state;
    };
    AuditLog(const AuditKeys& keys, AuditContext context, Options options, Files files,
             const ResumePoint& point);
    Status begin(const ResumePoint& point);
    void add_checkpoint();
    Status write_pending();

    const AuditKeys& keys_;
    const AuditContext context_;
    const Options options_;
    const Clock& clock_;
    const std::string path_;
    Files files_;
    LogId log_id_;
    uint64_t size_;  // of the log in bytes
    std::unique_ptr<RecordChain> chain_;
    std::unique_ptr<GroupSync> group_sync_;
    uint64_t covered_ = 0;             // the last record that a checkpoint covers, or that is one
    bool checkpoint_pending_ = false;  // among what is pending in the chain
    std::optional<TimePoint> checkpoint_due_;
    bool closed_ = false;
};

}  // namespace anchorhold::supervisor
