// pause, resume, hibernate, and hibernating what is idle.
#include <fmt/format.h>

#include <cerrno>
#include <utility>

#include "base/log.h"
#include "supervisor/service/sandbox_entry.h"

namespace anchorhold::service {

void Sandboxes::pause(const std::string& name, OnView done) {
    auto entry = idle_entry(name);
    Status status = entry ? Status() : Status(tl::unexpected(entry.error()));
    if (status && (*entry)->record.state == SandboxState::paused) {
        done(view(**entry));
        return;
    }
    if (status && (*entry)->record.state != SandboxState::running) {
        status =
            fail(fmt::format("sandbox '{}' is {}", name, to_text((*entry)->record.state)), EBUSY);
    }
    if (status) {
        status = begin(*entry, "pause");
    }
    if (!status) {
        done(tl::unexpected(status.error()));
        return;
    }
    fail_if_gone(*entry, done);
    (*entry)->live.sandbox->pause([this, held = *entry, done](const Status& paused) {
        finish(held, paused ? commit(held, SandboxState::paused) : paused, done);
    });
}

void Sandboxes::resume(const std::string& name, OnView done) {
    auto entry = idle_entry(name);
    Status status = entry ? Status() : Status(tl::unexpected(entry.error()));
    const SandboxState state = entry ? (*entry)->record.state : SandboxState::stopped;
    if (status && state == SandboxState::running) {
        done(view(**entry));
        return;
    }
    if (status && state == SandboxState::stopped) {
        status = fail(fmt::format("sandbox '{}' is stopped: start it", name), EBUSY);
    }
    if (status) {
        status = begin(*entry, "resume");
    }
    if (!status) {
        done(tl::unexpected(status.error()));
        return;
    }
    if (state == SandboxState::hibernated) {
        resume_hibernated(*entry, done);
    } else {
        resume_paused(*entry, done);
    }
}

void Sandboxes::resume_paused(const EntryRef& entry, const OnView& done) {
    fail_if_gone(entry, done);
    entry->live.sandbox->resume({}, [this, entry, done](const Status& resumed) {
        finish(entry, resumed ? commit(entry, SandboxState::running) : resumed, done);
    });
}

void Sandboxes::resume_hibernated(const EntryRef& entry, const OnView& done) {
    const std::string snapshot = entry->record.snapshot;
    Status status = open_window(entry);
    StartRequest request = start_request(entry->record);
    if (status && entry->window) {
        auto parts = entry->window->parts();
        status = parts ? Status() : Status(tl::unexpected(parts.error()));
        if (parts) {
            request.parts = std::move(*parts);
        }
    }
    if (status) {
        HeldSandbox held;
        held.handlers->on_ready = [this, entry, snapshot, done] {
            restored(entry, snapshot, done);
        };
        held.handlers->on_end = [this, entry, done](const std::string& error) {
            forget_ended(parts_.loop, std::exchange(entry->live, HeldSandbox()));
            close_window(entry, error, [this, entry, done, error] {
                finish(entry, fail(error.empty() ? "it ended at once" : error), done);
            });
        };
        auto made = parts_.engine.restore_snapshot(
            parts_.store.folder_of(entry->record.name) + "/" + snapshot, std::move(request),
            forward_to(held.handlers));
        if (made) {
            held.sandbox = std::move(*made);
            entry->live = std::move(held);
            return;
        }
        *held.handlers = {};
        status = tl::unexpected(made.error());
    }
    close_window(entry, status.error().message,
                 [this, entry, status, done] { finish(entry, status, done); });
}

// It stands still. Its first instruction changes the disk, and the snapshot is worth nothing any
// more: so the record says "running" before that, not after.
void Sandboxes::restored(const EntryRef& entry, const std::string& snapshot, const OnView& done) {
    set_live(entry, std::exchange(entry->live, HeldSandbox()));
    const Record before = entry->record;
    Status status = hold(entry);
    if (status) {
        ++entry->record.generation;
        entry->record.snapshot.clear();
        entry->record.start = to_text(StartPath::restore);
        // Pending until the guest knows who it is now: the next supervisor tells it otherwise.
        entry->record.state = SandboxState::running;
        entry->record.pending = PendingOperation{"resume", {}, 0};
        status = parts_.store.save(entry->record);
    }
    if (!status) {
        entry->record = before;
        if (parts_.store.save(before)) {
            parts_.keeping.drop(entry->record.name);
            end_and_forget(parts_.loop, std::exchange(entry->live, HeldSandbox()));
        } else {
            // The disk may have either record. The keeper has the VM, which has not run: the next
            // start finds it where the record says so, and the snapshot where it does not.
            entry->live.sandbox->let_go();
            entry->live = {};
        }
        close_window(entry, status.error().message,
                     [this, entry, status, done] { finish(entry, status, done); });
        return;
    }
    const auto remove_snapshot = [this, entry, snapshot] {
        if (const Status removed = parts_.store.remove_part(entry->record.name, snapshot);
            !removed) {
            log::warning("sandbox {}: {}", entry->record.name, removed.error().message);
        }
    };
    entry->on_gone = [this, entry, remove_snapshot, done](const std::string& error) {
        remove_snapshot();
        finish(entry, fail("it ended meanwhile: " + error), done);
    };
    entry->live.sandbox->resume(identity_of(entry->record),
                                [this, entry, remove_snapshot, done](const Status& resumed) {
                                    remove_snapshot();
                                    if (resumed) {
                                        finish(entry, commit(entry, SandboxState::running), done);
                                        return;
                                    }
                                    end_live(entry, [this, entry, resumed, done] {
                                        entry->record.reason = resumed.error().message;
                                        finish(entry, resumed, done);
                                    });
                                });
}

void Sandboxes::hibernate(const std::string& name, OnView done) {
    auto entry = idle_entry(name);
    Status status = entry ? Status() : Status(tl::unexpected(entry.error()));
    const SandboxState state = entry ? (*entry)->record.state : SandboxState::stopped;
    if (status && state == SandboxState::hibernated) {
        done(view(**entry));
        return;
    }
    if (status && state == SandboxState::stopped) {
        status = fail(fmt::format("sandbox '{}' is stopped: there is no guest to put away", name),
                      EBUSY);
    }
    if (status) {
        status = begin(*entry, "hibernate");
    }
    if (!status) {
        done(tl::unexpected(status.error()));
        return;
    }
    fail_if_gone(*entry, done);
    if (state == SandboxState::paused) {
        write_snapshot(*entry, done);
        return;
    }
    (*entry)->live.sandbox->pause([this, held = *entry, done](const Status& paused) {
        if (paused) {
            write_snapshot(held, done);
        } else {
            finish(held, paused, done);
        }
    });
}

void Sandboxes::write_snapshot(const EntryRef& entry, const OnView& done) {
    const std::string folder =
        parts_.store.folder_of(entry->record.name) + "/" + snapshot_name(entry->record);
    entry->live.sandbox->snapshot(folder, [this, entry, done](const Status& written) {
        snapshot_written(entry, written, done);
    });
}

void Sandboxes::snapshot_written(const EntryRef& entry, const Status& written, const OnView& done) {
    const SandboxState before = entry->record.state;
    Status status = written;
    if (status) {
        entry->record.snapshot = snapshot_name(entry->record);
        status = commit(entry, SandboxState::hibernated);
    }
    if (status) {
        end_live(entry, [this, entry, done] { finish(entry, Status(), done); });
        return;
    }
    entry->record.snapshot.clear();
    if (before == SandboxState::running && entry->live) {
        entry->live.sandbox->resume(
            {}, [this, entry, status, done](const Status&) { finish(entry, status, done); });
    } else {
        finish(entry, status, done);
    }
}

void Sandboxes::arm_idle(const EntryRef& entry) {
    parts_.loop.cancel_timer(std::exchange(entry->idle, 0));
    if (entry->record.idle_seconds == 0 || entry->commands != 0 || !entry->live ||
        entry->record.state != SandboxState::running || !entry->operation.empty()) {
        return;
    }
    entry->idle = parts_.loop.add_timer(std::chrono::seconds(entry->record.idle_seconds),
                                        [this, weak = std::weak_ptr<Entry>(entry)] {
                                            if (const EntryRef alive = weak.lock()) {
                                                alive->idle = 0;
                                                idle_passed(alive);
                                            }
                                        });
}

// Nobody has asked for a command. One may still run whose stream an earlier supervisor gave out.
void Sandboxes::idle_passed(const EntryRef& entry) {
    entry->live.sandbox->count_streams([this, weak = std::weak_ptr<Entry>(entry)](
                                           const Result<uint64_t>& streams) {
        const EntryRef alive = weak.lock();
        if (!alive || !alive->operation.empty() || alive->commands != 0) {
            return;
        }
        const uint64_t of_init = alive->window ? 1 : 0;
        if (!streams || *streams > of_init) {
            arm_idle(alive);
            return;
        }
        const std::string name = alive->record.name;
        hibernate(name, [name](const Result<SandboxView>& hibernated) {
            if (!hibernated) {
                log::warning("sandbox {} is idle and stays: {}", name, hibernated.error().message);
            }
        });
    });
}

}  // namespace anchorhold::service
