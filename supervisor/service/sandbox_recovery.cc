// What an earlier supervisor left: adopted, or undone.
#include <fmt/format.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "supervisor/service/sandbox_entry.h"

namespace anchorhold::service {
namespace {

// A VM that belongs to no sandbox any more.
void kill_vm(const std::map<std::string, OwnFd>& kept) {
    if (const auto pidfd = kept.find("pidfd"); pidfd != kept.end()) {
        ::syscall(SYS_pidfd_send_signal, pidfd->second.get(), SIGKILL, nullptr, 0);
    }
}

bool is_complete(const Record& record, const std::map<std::string, uint64_t>& last_forks) {
    if (record.state != SandboxState::creating) {
        return true;
    }
    if (!record.pending || record.pending->kind != "fork") {
        return false;
    }
    const auto source = last_forks.find(record.pending->source);
    return source != last_forks.end() && source->second >= record.pending->group;
}

}  // namespace

Status Sandboxes::recover() {
    RecordStore::Loaded loaded = ANCHORHOLD_TRY(parts_.store.load());
    damaged_ = std::move(loaded.damaged);
    for (const std::string& line : damaged_) {
        log::error("{}; it is left as it is", line);
    }
    std::map<std::string, std::map<std::string, OwnFd>> kept;
    for (const std::string& name : ANCHORHOLD_TRY(parts_.keeping.list())) {
        auto taken = parts_.keeping.take(name);
        if (taken) {
            kept[name] = std::move(*taken);
        } else {
            log::error("sandbox {}: {}", name, taken.error().message);
        }
    }
    std::map<std::string, uint64_t> last_forks;
    for (const Record& record : loaded.records) {
        last_forks[record.name] = record.last_fork;
    }
    for (Record& record : loaded.records) {
        const auto found = kept.find(record.name);
        std::map<std::string, OwnFd> descriptors;
        if (found != kept.end()) {
            descriptors = std::move(found->second);
            kept.erase(found);
        }
        recover_one(std::move(record), std::move(descriptors), last_forks);
    }
    for (const auto& [name, descriptors] : kept) {
        // A damaged record's sandbox may be somebody's work: its VM waits for the record's repair.
        const bool damaged = std::any_of(damaged_.begin(), damaged_.end(), [&](const auto& line) {
            return line.starts_with(parts_.store.folder_of(name) + "/");
        });
        if (!damaged) {
            kill_vm(descriptors);
            parts_.keeping.drop(name);
        }
    }
    return {};
}

void Sandboxes::recover_one(Record record, std::map<std::string, OwnFd> kept,
                            const std::map<std::string, uint64_t>& last_forks) {
    const std::string name = record.name;
    const auto drop = [&] {
        kill_vm(kept);
        kept.clear();
        parts_.keeping.drop(name);
    };
    if (!is_complete(record, last_forks)) {
        drop();
        if (const Status removed = parts_.store.remove(name); !removed) {
            log::error("sandbox {}: {}", name, removed.error().message);
        }
        return;
    }
    const EntryRef entry = std::make_shared<Entry>();
    entry->record = std::move(record);
    Record& mine = entry->record;
    if (mine.state == SandboxState::creating) {
        mine.state = SandboxState::running;  // a fork that completed
    }
    // A snapshot that is not the record's was half written, or is used up.
    for (const std::string& part : {fmt::format("snapshot-{}", mine.generation),
                                    fmt::format("snapshot-{}", mine.generation - 1)}) {
        if (part != mine.snapshot) {
            if (const Status removed = parts_.store.remove_part(name, part); !removed) {
                log::warning("sandbox {}: {}", name, removed.error().message);
            }
        }
    }
    entries_.emplace(name, entry);
    const bool has_guest =
        mine.state == SandboxState::running || mine.state == SandboxState::paused;
    if (!has_guest) {
        drop();
    } else if (kept.contains("control") && kept.contains("pidfd")) {
        adopt(entry, std::move(kept));
        return;
    } else {
        drop();
        mine.reason = "its VM was gone when the supervisor started: the host or the keeper ended";
        mine.state = SandboxState::stopped;
    }
    if (const Status saved = commit(entry, mine.state); !saved) {
        log::error("sandbox {}: {}", name, saved.error().message);
    }
}

void Sandboxes::adopt(const EntryRef& entry, std::map<std::string, OwnFd> kept) {
    const std::string& name = entry->record.name;
    ++entry->record.adoptions;
    if (!entry->record.policies.empty()) {
        auto window = parts_.windows.adopt(window_order(entry->record), kept);
        if (window) {
            entry->window = std::move(*window);
        } else {
            // Its channels are closed with `kept`: nothing passes.
            log::error("sandbox {}: it goes on without a window: {}", name, window.error().message);
        }
    }
    HeldSandbox held;
    auto adopted =
        parts_.engine.adopt(name, std::move(kept), entry->record.spec(), forward_to(held.handlers));
    if (!adopted) {
        log::error("sandbox {}: {}", name, adopted.error().message);
        entry->record.reason = adopted.error().message;
        parts_.keeping.drop(name);
        [[maybe_unused]] const Status saved = commit(entry, SandboxState::stopped);
        entry->operation = "end";
        close_window(entry, adopted.error().message, [entry] { entry->operation.clear(); });
        return;
    }
    held.sandbox = std::move(*adopted);
    set_live(entry, std::move(held));
    entry->operation = "adopt";
    const SandboxState state = entry->record.state;
    // Restored, and perhaps not yet told who it is (restored() in sandbox_hibernation.cc).
    const bool is_new = state == SandboxState::running && entry->record.pending &&
                        entry->record.pending->kind == "resume";
    entry->live.handlers->on_ready = [this, entry, state, is_new] {
        const auto end = [this, entry, state](const Status& done) {
            finish(entry, done ? commit(entry, state) : done, nullptr);
        };
        // Whatever was half done: a running one runs, a paused one stands still.
        if (state == SandboxState::running) {
            entry->live.sandbox->resume(is_new ? identity_of(entry->record) : GuestIdentity(), end);
        } else {
            entry->live.sandbox->pause(end);
        }
    };
    entry->on_gone = [this, entry](const std::string&) {
        finish(entry, commit(entry, SandboxState::stopped), nullptr);
    };
}

}  // namespace anchorhold::service
