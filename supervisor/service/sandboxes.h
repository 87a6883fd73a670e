// The named sandboxes: what may be done to one in which state, each operation written down before
// and after it, so that whatever kills us between leaves the state before or the state after.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "supervisor/service/engine.h"
#include "supervisor/service/held_sandbox.h"
#include "supervisor/service/keeping.h"
#include "supervisor/service/metrics.h"
#include "supervisor/service/pools.h"
#include "supervisor/service/record.h"
#include "supervisor/service/record_store.h"
#include "supervisor/service/starter.h"
#include "supervisor/service/windows.h"

namespace anchorhold::service {

struct CreateRequest {
    std::string name;           // empty: one is made up
    std::string template_name;  // empty: from spec.image. With one, the machine is the template's
    supervisor::SandboxSpec spec;
    std::optional<supervisor::MemoryBackend> memory_backend;  // with a template
    std::vector<std::string> policies;
    uint32_t idle_seconds = 0;
    std::map<std::string, std::string> labels;
};

// A sandbox as it is told to clients.
struct SandboxView {
    Record record;
    std::string operation;    // under way; empty: none
    std::string passed_over;  // why it was not started a faster way, where one failed
    std::string window;       // why its window is shut; empty: it is open, or there is none
    uint32_t commands = 0;    // that run, as far as we gave out their streams
    pid_t vmm_pid = -1;
};

// A stream to the guest for one command. Call `end` once, when the client went, with its last word.
struct CommandStream {
    OwnFd stream;
    std::function<void(std::string_view last_word)> end;
};

constexpr uint32_t kMaxForks = 256;

// Belongs to its event loop's thread.
class Sandboxes {
  public:
    using OnView = std::function<void(Result<SandboxView>)>;
    using OnViews = std::function<void(Result<std::vector<SandboxView>>)>;
    using OnStatus = std::function<void(const Status&)>;
    using OnStream = std::function<void(Result<CommandStream>)>;

    struct Parts {
        EventLoop& loop;
        SandboxEngine& engine;
        Starter& starter;
        Pools& pools;
        RecordStore& store;
        Keeping& keeping;
        Windows& windows;
        Metrics& metrics;
        std::function<int64_t()> unix_time;  // seconds
    };
    explicit Sandboxes(Parts parts);
    ~Sandboxes();
    Sandboxes(const Sandboxes&) = delete;
    Sandboxes& operator=(const Sandboxes&) = delete;

    // Once, first: reads the records, takes running sandboxes over from the keeper, undoes what was
    // half done.
    Status recover();

    // Errors' codes: ENOENT no such sandbox, EEXIST the name is taken, EINVAL not to be had as
    // asked, EBUSY the state does not allow it or another operation is under way.
    void create(CreateRequest request, OnView done);
    void start(const std::string& name, OnView done);
    void stop(const std::string& name, OnView done);
    void pause(const std::string& name, OnView done);
    void resume(const std::string& name, OnView done);
    void hibernate(const std::string& name, OnView done);
    void fork(const std::string& name, uint32_t count, OnViews done);
    enum class Removal { if_stopped, always };
    void remove(const std::string& name, Removal removal, OnStatus done);

    // Wakes a paused or hibernated one first; waits for an operation that leads to a running one.
    void exec(const std::string& name, StatedCommand command, OnStream done);

    [[nodiscard]] std::vector<SandboxView> list() const;
    [[nodiscard]] Result<SandboxView> find(const std::string& name) const;
    // Records that cannot be read: "path: why".
    [[nodiscard]] const std::vector<std::string>& damaged() const { return damaged_; }

    // The keeper was replaced: everything that runs is to be held again.
    void hold_all();
    // We go and the sandboxes stay: the keeper has them.
    void let_go_all();
    // Everything that runs is stopped, then `done`.
    void stop_all(std::function<void()> done);

  private:
    struct Entry;
    using EntryRef = std::shared_ptr<Entry>;

    Result<EntryRef> idle_entry(const std::string& name) const;
    [[nodiscard]] static SandboxView view(const Entry& entry);
    [[nodiscard]] WindowOrder window_order(const Record& record) const;
    [[nodiscard]] static WindowSide window_side(const EntryRef& entry);
    Result<Record> record_for(const CreateRequest& request);
    [[nodiscard]] GuestIdentity identity_of(const Record& record) const;
    [[nodiscard]] StartRequest start_request(const Record& record) const;

    Status open_window(const EntryRef& entry);
    // `closed` runs when its log is free for the next window of that name; at once where there is
    // none.
    void close_window(const EntryRef& entry, const std::string& reason,
                      std::function<void()> closed = nullptr);
    void set_live(const EntryRef& entry, HeldSandbox held);
    Status hold(const EntryRef& entry);
    void handle_end(const EntryRef& entry, const std::string& error);
    void end_live(const EntryRef& entry, std::function<void()> gone);

    Status begin(const EntryRef& entry, const std::string& kind);
    Status commit(const EntryRef& entry, SandboxState state);
    void undo(const EntryRef& entry);
    void fail_if_gone(const EntryRef& entry, const OnView& done);
    void finish(const EntryRef& entry, const Status& status, const OnView& done);

    void created(const EntryRef& entry, Result<Started> started, const OnView& done);
    void started_again(const EntryRef& entry, Result<Started> started, const OnView& done);
    void forget(const EntryRef& entry, std::function<void()> forgotten = nullptr);
    void power_off(const EntryRef& entry, const OnView& done);
    void write_snapshot(const EntryRef& entry, const OnView& done);
    void snapshot_written(const EntryRef& entry, const Status& written, const OnView& done);
    void resume_paused(const EntryRef& entry, const OnView& done);
    void resume_hibernated(const EntryRef& entry, const OnView& done);
    void restored(const EntryRef& entry, const std::string& snapshot, const OnView& done);
    Result<std::vector<EntryRef>> make_children(const EntryRef& source, uint32_t count,
                                                uint64_t group);
    void forked(const EntryRef& source, const std::vector<EntryRef>& children,
                Result<std::vector<std::unique_ptr<LiveSandbox>>> made, const OnViews& done);
    void undo_fork(const EntryRef& source, const std::vector<EntryRef>& children);
    void give_stream(const EntryRef& entry, const StatedCommand& command, const OnStream& done);
    void command_ended(const EntryRef& entry);
    void wake_waiting(const EntryRef& entry);
    void arm_idle(const EntryRef& entry);
    void idle_passed(const EntryRef& entry);

    void recover_one(Record record, std::map<std::string, OwnFd> kept,
                     const std::map<std::string, uint64_t>& last_forks);
    void adopt(const EntryRef& entry, std::map<std::string, OwnFd> kept);

    Parts parts_;
    std::map<std::string, EntryRef> entries_;
    std::vector<std::string> damaged_;
    std::function<void()> all_stopped_;
    std::shared_ptr<int> alive_ = std::make_shared<int>();  // windows close behind us
};

}  // namespace anchorhold::service
