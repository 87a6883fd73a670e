// create, start, stop, remove.
#include <fmt/format.h>

#include <cerrno>
#include <utility>

#include "base/log.h"
#include "supervisor/service/sandbox_entry.h"

namespace anchorhold::service {
namespace {

std::string made_up_name() {
    return "box-" + random_id().substr(0, 8);
}

}  // namespace

Result<Record> Sandboxes::record_for(const CreateRequest& request) {
    Record record;
    record.name = request.name.empty() ? made_up_name() : request.name;
    ANCHORHOLD_TRY(check_name(record.name));
    if (entries_.contains(record.name)) {
        return fail(fmt::format("a sandbox has the name '{}'", record.name), EEXIST);
    }
    record.id = random_id();
    record.image = request.spec.image;
    record.cpus = request.spec.cpus;
    record.memory_bytes = request.spec.memory_bytes;
    record.disk_bytes = request.spec.disk_bytes;
    if (!request.template_name.empty()) {
        ANCHORHOLD_TRY(check_template_name(request.template_name));
        const TemplateInfo origin =
            ANCHORHOLD_TRY(parts_.engine.find_template(request.template_name));
        record.template_name = origin.name;
        record.image = origin.image;
        record.cpus = origin.cpus;
        record.memory_bytes = origin.memory_bytes;
        record.disk_bytes = origin.disk_bytes;
    }
    const uint64_t memory = ANCHORHOLD_TRY(supervisor::host_memory_bytes());
    if (const Status valid = supervisor::validate(record.spec(), memory); !valid) {
        return fail(valid.error().message, EINVAL);
    }
    record.policies = request.policies;
    record.idle_seconds = request.idle_seconds;
    record.labels = request.labels;
    record.created_unix = parts_.unix_time();
    record.pending = PendingOperation{"create", {}, 0};
    return record;
}

void Sandboxes::create(CreateRequest request, OnView done) {
    auto record = record_for(request);
    if (!record) {
        done(tl::unexpected(record.error()));
        return;
    }
    if (const Status written = parts_.store.create(*record); !written) {
        done(tl::unexpected(written.error()));
        return;
    }
    const EntryRef entry = std::make_shared<Entry>();
    entry->record = std::move(*record);
    entry->operation = "create";
    entries_.emplace(entry->record.name, entry);
    if (const Status opened = open_window(entry); !opened) {
        forget(entry);
        done(tl::unexpected(opened.error()));
        return;
    }
    StartOrder order;
    order.name = entry->record.name;
    order.folder = parts_.store.folder_of(entry->record.name);
    order.template_name = entry->record.template_name;
    order.memory_backend = request.memory_backend;
    order.spec = entry->record.spec();
    order.identity = identity_of(entry->record);
    order.window = window_side(entry);
    parts_.starter.start(std::move(order), [this, entry, done](Result<Started> started) {
        created(entry, std::move(started), done);
    });
}

void Sandboxes::created(const EntryRef& entry, Result<Started> started, const OnView& done) {
    Status status = started ? Status() : Status(tl::unexpected(started.error()));
    if (started) {
        set_live(entry, std::move(started->held));
        entry->record.start = to_text(started->path);
        entry->passed_over = started->passed_over;
        status = hold(entry);
        if (status) {
            status = commit(entry, SandboxState::running);
        }
    }
    if (!status) {
        forget(entry, [done, status] { done(tl::unexpected(status.error())); });
        return;
    }
    finish(entry, status, done);
}

// It never became a sandbox, or is one no more.
void Sandboxes::forget(const EntryRef& entry, std::function<void()> forgotten) {
    parts_.loop.cancel_timer(std::exchange(entry->idle, 0));
    parts_.keeping.drop(entry->record.name);
    end_and_forget(parts_.loop, std::exchange(entry->live, HeldSandbox()));
    if (!std::exchange(entry->removed, true)) {
        if (const Status removed = parts_.store.remove(entry->record.name); !removed) {
            log::error("sandbox {}: {}", entry->record.name, removed.error().message);
        }
    }
    entry->operation = "remove";
    // Its name is free when its log is.
    close_window(entry, "it was removed", [this, entry, forgotten = std::move(forgotten)] {
        entries_.erase(entry->record.name);
        for (const Entry::Waiting& waiting : std::exchange(entry->waiting, {})) {
            waiting.done(fail(fmt::format("there is no sandbox '{}'", entry->record.name), ENOENT));
        }
        if (forgotten) {
            forgotten();
        }
    });
}

void Sandboxes::start(const std::string& name, OnView done) {
    auto entry = idle_entry(name);
    Status status = entry ? Status() : Status(tl::unexpected(entry.error()));
    if (status && (*entry)->record.state != SandboxState::stopped) {
        status =
            fail(fmt::format("sandbox '{}' is {}", name, to_text((*entry)->record.state)), EBUSY);
    }
    if (status) {
        status = begin(*entry, "start");
    }
    if (!status) {
        done(tl::unexpected(status.error()));
        return;
    }
    if (status = open_window(*entry); !status) {
        finish(*entry, status, done);
        return;
    }
    // Always cold: its disk has gone on from what a template's memory knows.
    StartOrder order;
    order.name = name;
    order.folder = parts_.store.folder_of(name);
    order.spec = (*entry)->record.spec();
    order.identity = identity_of((*entry)->record);
    order.window = window_side(*entry);
    parts_.starter.start(std::move(order), [this, held = *entry, done](Result<Started> started) {
        started_again(held, std::move(started), done);
    });
}

void Sandboxes::started_again(const EntryRef& entry, Result<Started> started, const OnView& done) {
    Status status = started ? Status() : Status(tl::unexpected(started.error()));
    if (started) {
        set_live(entry, std::move(started->held));
        status = hold(entry);
    }
    if (status) {
        entry->record.start = to_text(started->path);
        entry->record.reason.clear();
        ++entry->record.generation;
        status = commit(entry, SandboxState::running);
    }
    if (!status) {
        parts_.keeping.drop(entry->record.name);
        end_and_forget(parts_.loop, std::exchange(entry->live, HeldSandbox()));
        close_window(entry, status.error().message,
                     [this, entry, status, done] { finish(entry, status, done); });
        return;
    }
    finish(entry, status, done);
}

void Sandboxes::stop(const std::string& name, OnView done) {
    auto entry = idle_entry(name);
    Status status = entry ? Status() : Status(tl::unexpected(entry.error()));
    const SandboxState state = entry ? (*entry)->record.state : SandboxState::stopped;
    if (status && state == SandboxState::hibernated) {
        status = fail(
            fmt::format("sandbox '{}' is hibernated: resume it first, or remove it", name), EBUSY);
    }
    if (status && state == SandboxState::stopped) {
        done(view(**entry));
        return;
    }
    if (status) {
        status = begin(*entry, "stop");
    }
    if (!status) {
        done(tl::unexpected(status.error()));
        return;
    }
    if (state != SandboxState::paused) {
        power_off(*entry, done);
        return;
    }
    // Its kernel has to run to write out its disk.
    fail_if_gone(*entry, done);
    (*entry)->live.sandbox->resume(
        {}, [this, held = *entry, done](const Status&) { power_off(held, done); });
}

void Sandboxes::power_off(const EntryRef& entry, const OnView& done) {
    if (!entry->live) {
        finish(entry, commit(entry, SandboxState::stopped), done);
        return;
    }
    entry->on_gone = [this, entry, done](const std::string&) {
        entry->record.reason.clear();
        finish(entry, commit(entry, SandboxState::stopped), done);
    };
    entry->live.sandbox->power_off();
}

void Sandboxes::remove(const std::string& name, Removal removal, OnStatus done) {
    auto entry = idle_entry(name);
    if (!entry) {
        done(tl::unexpected(entry.error()));
        return;
    }
    if (removal == Removal::if_stopped && (*entry)->live) {
        done(fail(fmt::format("sandbox '{}' is {}: stop it first, or remove it by force", name,
                              to_text((*entry)->record.state)),
                  EBUSY));
        return;
    }
    // The folder goes first: a crash between leaves a VM without a record, which the next start
    // ends.
    if (const Status removed = parts_.store.remove(name); !removed) {
        done(removed);
        return;
    }
    (*entry)->removed = true;
    (*entry)->operation = "remove";
    parts_.metrics.count_operation("remove");
    end_live(*entry, [this, held = *entry, done] { forget(held, [done] { done(Status()); }); });
}

}  // namespace anchorhold::service
