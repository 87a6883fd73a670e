// What all operations share: entries, records, the live sandbox and its end.
#include "supervisor/service/sandboxes.h"

#include <fmt/format.h>

#include <cerrno>
#include <utility>

#include "base/log.h"
#include "supervisor/service/sandbox_entry.h"

namespace anchorhold::service {

std::string snapshot_name(const Record& record) {
    return fmt::format("snapshot-{}", record.generation);
}

Sandboxes::Sandboxes(Parts parts) : parts_(std::move(parts)) {}

Sandboxes::~Sandboxes() {
    for (const auto& [name, entry] : entries_) {
        parts_.loop.cancel_timer(entry->idle);
        *entry->live.handlers = {};
        entry->on_gone = nullptr;
        entry->waiting.clear();
        entry->live = {};
        entry->window.reset();
    }
}

SandboxView Sandboxes::view(const Entry& entry) {
    SandboxView result;
    result.record = entry.record;
    result.operation = entry.operation;
    result.passed_over = entry.passed_over;
    result.window = entry.window ? entry.window->shut_because() : std::string();
    result.commands = entry.commands;
    result.vmm_pid = entry.live ? entry.live.sandbox->vmm_pid() : -1;
    return result;
}

std::vector<SandboxView> Sandboxes::list() const {
    std::vector<SandboxView> views;
    for (const auto& [name, entry] : entries_) {
        views.push_back(view(*entry));
    }
    return views;
}

Result<SandboxView> Sandboxes::find(const std::string& name) const {
    const auto found = entries_.find(name);
    if (found == entries_.end()) {
        return fail(fmt::format("there is no sandbox '{}'", log::escaped(name, 80)), ENOENT);
    }
    return view(*found->second);
}

// One that no operation is under way for.
Result<Sandboxes::EntryRef> Sandboxes::idle_entry(const std::string& name) const {
    const auto found = entries_.find(name);
    if (found == entries_.end()) {
        return fail(fmt::format("there is no sandbox '{}'", log::escaped(name, 80)), ENOENT);
    }
    if (!found->second->operation.empty()) {
        return fail(fmt::format("sandbox '{}' is busy: {} is under way; try again when it is done",
                                name, found->second->operation),
                    EBUSY);
    }
    return found->second;
}

GuestIdentity Sandboxes::identity_of(const Record& record) const {
    return {record.generation, record.name, record.id};
}

StartRequest Sandboxes::start_request(const Record& record) const {
    StartRequest request;
    request.name = record.name;
    request.folder = parts_.store.folder_of(record.name);
    request.spec = record.spec();
    request.identity = identity_of(record);
    return request;
}

WindowOrder Sandboxes::window_order(const Record& record) const {
    WindowOrder order;
    order.sandbox = record.name;
    order.folder = parts_.store.folder_of(record.name);
    order.parent = record.parent;
    order.parent_folder =
        record.parent.empty() ? std::string() : parts_.store.folder_of(record.parent);
    order.image = record.image;
    order.policies = record.policies;
    order.adoptions = record.adoptions;
    return order;
}

Status Sandboxes::open_window(const EntryRef& entry) {
    if (!entry->record.policies.empty()) {
        entry->window = ANCHORHOLD_TRY(parts_.windows.open(window_order(entry->record)));
    }
    return {};
}

WindowSide Sandboxes::window_side(const EntryRef& entry) {
    WindowSide side;
    if (entry->window) {
        side.parts = [entry] { return entry->window->parts(); };
        side.take_channels = [entry](std::vector<supervisor::GuestChannel> channels) {
            return entry->window->take_channels(std::move(channels));
        };
    }
    return side;
}

void Sandboxes::close_window(const EntryRef& entry, const std::string& reason,
                             std::function<void()> closed) {
    if (!entry->window) {
        if (closed) {
            closed();
        }
        return;
    }
    // It holds itself until its last event is written, and its log until it is destroyed.
    const std::shared_ptr<SandboxWindow> window = std::move(entry->window);
    window->close(reason, [&loop = parts_.loop, alive = std::weak_ptr<int>(alive_), window,
                           closed = std::move(closed)] {
        loop.post([alive, held = window, closed]() mutable {
            held.reset();
            if (closed && !alive.expired()) {
                closed();
            }
        });
    });
}

void Sandboxes::set_live(const EntryRef& entry, HeldSandbox held) {
    entry->live = std::move(held);
    *entry->live.handlers = {};
    entry->live.handlers->on_end = [this,
                                    weak = std::weak_ptr<Entry>(entry)](const std::string& error) {
        if (const EntryRef alive = weak.lock()) {
            handle_end(alive, error);
        }
    };
}

Status Sandboxes::hold(const EntryRef& entry) {
    std::vector<KeptDescriptor> kept = entry->live.sandbox->descriptors();
    if (entry->window) {
        const auto more = entry->window->descriptors();
        kept.insert(kept.end(), more.begin(), more.end());
    }
    return parts_.keeping.hold(entry->record.name, kept);
}

void Sandboxes::hold_all() {
    for (const auto& [name, entry] : entries_) {
        // Also those that an operation is under way for. One that is being made is held when it is
        // there (created(), restored(), forked()).
        const SandboxState state = entry->record.state;
        const bool is_there = state == SandboxState::running || state == SandboxState::paused;
        if (entry->live && is_there && !entry->removed) {
            if (const Status held = hold(entry); !held) {
                log::error("sandbox {}: {}", name, held.error().message);
            }
        }
    }
}

// The VM is gone, as an operation wanted it or by itself.
void Sandboxes::handle_end(const EntryRef& entry, const std::string& error) {
    forget_ended(parts_.loop, std::exchange(entry->live, HeldSandbox()));
    parts_.loop.cancel_timer(std::exchange(entry->idle, 0));
    parts_.keeping.drop(entry->record.name);
    entry->record.reason = error.empty() ? "it ended by itself" : log::escaped(error, 500);
    if (entry->on_gone) {
        close_window(entry, error,
                     [entry, on_gone = std::exchange(entry->on_gone, nullptr),
                      reason = entry->record.reason] { on_gone(reason); });
        return;
    }
    log::warning("sandbox {} ended: {}", entry->record.name, entry->record.reason);
    if (const Status saved = commit(entry, SandboxState::stopped); !saved) {
        log::error("sandbox {}: {}", entry->record.name, saved.error().message);
    }
    entry->operation = "end";
    close_window(entry, error, [this, entry] {
        entry->operation.clear();
        wake_waiting(entry);
    });
}

void Sandboxes::end_live(const EntryRef& entry, std::function<void()> gone) {
    if (!entry->live) {
        gone();
        return;
    }
    entry->on_gone = [entry, gone = std::move(gone)](const std::string&) {
        entry->record.reason.clear();
        gone();
    };
    entry->live.sandbox->destroy();
}

// Written down: what is about to happen, and with it that the state before it wins until commit().
Status Sandboxes::begin(const EntryRef& entry, const std::string& kind) {
    Record next = entry->record;
    next.pending = PendingOperation{kind, {}, 0};
    ANCHORHOLD_TRY(parts_.store.save(next));
    entry->record = std::move(next);
    entry->operation = kind;
    parts_.loop.cancel_timer(std::exchange(entry->idle, 0));
    return {};
}

Status Sandboxes::commit(const EntryRef& entry, SandboxState state) {
    Record next = entry->record;
    next.state = state;
    next.pending.reset();
    ANCHORHOLD_TRY(parts_.store.save(next));
    entry->record = std::move(next);
    return {};
}

// The operation came to nothing. Where even that cannot be written, the next start undoes it.
void Sandboxes::undo(const EntryRef& entry) {
    entry->record.pending.reset();
    const bool needs_guest =
        entry->record.state == SandboxState::running || entry->record.state == SandboxState::paused;
    if (needs_guest && !entry->live) {
        entry->record.state = SandboxState::stopped;
    }
    if (const Status saved = parts_.store.save(entry->record); !saved) {
        log::error("sandbox {}: {}", entry->record.name, saved.error().message);
    }
    if (entry->operation == "hibernate" && entry->record.snapshot.empty()) {
        // Half of one, or none.
        [[maybe_unused]] const Status removed =
            parts_.store.remove_part(entry->record.name, snapshot_name(entry->record));
    }
}

// The engine forgets what it was asked for when the VM ends: then this is what finishes the
// operation.
void Sandboxes::fail_if_gone(const EntryRef& entry, const OnView& done) {
    entry->on_gone = [this, entry, done](const std::string& error) {
        finish(entry, fail("it ended meanwhile: " + error), done);
    };
}

// Whoever asked is told, then those who waited.
void Sandboxes::finish(const EntryRef& entry, const Status& status, const OnView& done) {
    if (status) {
        parts_.metrics.count_operation(entry->operation);
    } else {
        undo(entry);
    }
    entry->operation.clear();
    entry->on_gone = nullptr;
    if (done) {
        done(status ? Result<SandboxView>(view(*entry))
                    : Result<SandboxView>(tl::unexpected(status.error())));
    }
    wake_waiting(entry);
    arm_idle(entry);
}

void Sandboxes::let_go_all() {
    for (const auto& [name, entry] : entries_) {
        // One that is being made, snapshotted or removed is not the keeper's word yet.
        if (entry->live) {
            entry->live.sandbox->let_go();
        }
    }
}

void Sandboxes::stop_all(std::function<void()> done) {
    auto left = std::make_shared<size_t>(1);
    const auto one_less = [left, done = std::move(done)] {
        if (--*left == 0) {
            done();
        }
    };
    std::vector<std::string> names;
    for (const auto& [name, entry] : entries_) {
        if (entry->live && entry->operation.empty()) {
            names.push_back(name);
        }
    }
    *left += names.size();
    for (const std::string& name : names) {
        stop(name, [one_less](const Result<SandboxView>&) { one_less(); });
    }
    one_less();
}

}  // namespace anchorhold::service
