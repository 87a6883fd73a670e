// Streams for commands. Bytes go between the client and the VMM; we keep count.
#include <fmt/format.h>

#include <cerrno>
#include <utility>

#include "supervisor/service/sandbox_entry.h"

namespace anchorhold::service {

void Sandboxes::exec(const std::string& name, StatedCommand command, OnStream done) {
    const auto found = entries_.find(name);
    if (found == entries_.end()) {
        done(fail(fmt::format("there is no sandbox '{}'", name), ENOENT));
        return;
    }
    const EntryRef entry = found->second;
    if (!entry->operation.empty()) {
        entry->waiting.push_back({std::move(command), std::move(done)});
        return;
    }
    switch (entry->record.state) {
        case SandboxState::running:
            give_stream(entry, command, done);
            break;
        case SandboxState::paused:
        case SandboxState::hibernated:
            entry->waiting.push_back({std::move(command), std::move(done)});
            // Those who wait are told when it is over, whichever way.
            resume(name, [entry](const Result<SandboxView>& resumed) {
                if (!resumed) {
                    for (const Entry::Waiting& waiting : std::exchange(entry->waiting, {})) {
                        waiting.done(tl::unexpected(resumed.error()));
                    }
                }
            });
            break;
        case SandboxState::creating:
        case SandboxState::stopped:
            done(fail(
                fmt::format("sandbox '{}' is {}{}: start it first", name,
                            to_text(entry->record.state),
                            entry->record.reason.empty() ? "" : " (" + entry->record.reason + ")"),
                EBUSY));
            break;
    }
}

void Sandboxes::give_stream(const EntryRef& entry, const StatedCommand& command,
                            const OnStream& done) {
    auto stream = entry->live.sandbox->open_exec_stream();
    if (!stream) {
        done(tl::unexpected(stream.error()));
        return;
    }
    uint64_t number = 0;
    if (entry->window) {
        const auto written = entry->window->command_begins(command);
        if (!written) {
            done(tl::unexpected(written.error().within("the audit log")));
            return;
        }
        number = *written;
    }
    ++entry->commands;
    parts_.metrics.count_exec();
    parts_.loop.cancel_timer(std::exchange(entry->idle, 0));
    CommandStream result;
    result.stream = std::move(*stream);
    result.end = [this, weak = std::weak_ptr<Entry>(entry), number,
                  began = parts_.loop.clock().now()](std::string_view last_word) {
        if (const EntryRef alive = weak.lock()) {
            if (alive->window && number != 0) {
                alive->window->command_ended(number, last_word, parts_.loop.clock().now() - began);
            }
            command_ended(alive);
        }
    };
    done(std::move(result));
}

void Sandboxes::command_ended(const EntryRef& entry) {
    --entry->commands;
    arm_idle(entry);
}

// The operation is over: whoever waited asks again.
void Sandboxes::wake_waiting(const EntryRef& entry) {
    for (Entry::Waiting& waiting : std::exchange(entry->waiting, {})) {
        exec(entry->record.name, std::move(waiting.command), std::move(waiting.done));
    }
}

}  // namespace anchorhold::service
