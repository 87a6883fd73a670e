// fork: all children or none, by one write.
//
// Children are written down first, each pointing at the source and the fork's number; the source's
// record then takes that number as its last fork. That write is the moment in which all of them
// exist: until then a start removes them, from then on it keeps them (sandbox_recovery.cc).
#include <fmt/format.h>

#include <cerrno>
#include <utility>

#include "base/log.h"
#include "supervisor/service/sandbox_entry.h"

namespace anchorhold::service {

void Sandboxes::fork(const std::string& name, uint32_t count, OnViews done) {
    auto source = idle_entry(name);
    Status status = source ? Status() : Status(tl::unexpected(source.error()));
    if (status && !(*source)->live) {
        status =
            fail(fmt::format("sandbox '{}' is {}: only one that runs or is paused can be forked",
                             name, to_text((*source)->record.state)),
                 EBUSY);
    }
    if (status && (count == 0 || count > kMaxForks)) {
        status =
            fail(fmt::format("count {}: a fork makes 1 to {} sandboxes", count, kMaxForks), EINVAL);
    }
    if (status) {
        status = begin(*source, "fork");
    }
    if (!status) {
        done(tl::unexpected(status.error()));
        return;
    }
    auto children = make_children(*source, count, (*source)->record.last_fork + 1);
    if (!children) {
        finish(*source, Status(tl::unexpected(children.error())), nullptr);
        done(tl::unexpected(children.error()));
        return;
    }
    std::vector<StartRequest> requests;
    std::vector<LiveSandbox::Handlers> handlers;
    for (const EntryRef& child : *children) {
        StartRequest request = start_request(child->record);
        if (child->window) {
            auto parts = child->window->parts();
            if (!parts) {
                undo_fork(*source, *children);
                finish(*source, Status(tl::unexpected(parts.error())), nullptr);
                done(tl::unexpected(parts.error()));
                return;
            }
            request.parts = std::move(*parts);
        }
        request.shell = parts_.pools.claim_shell_of(supervisor::shape_of(child->record.spec()));
        child->record.start = to_text(request.shell ? StartPath::shell : StartPath::restore);
        requests.push_back(std::move(request));
        handlers.push_back(forward_to(child->live.handlers));
    }
    const auto foreground = parts_.pools.foreground();
    (*source)->on_gone = [this, held = *source, made = *children, done,
                          foreground](const std::string& error) {
        undo_fork(held, made);
        finish(held, fail("it ended meanwhile: " + error), nullptr);
        done(fail("it ended meanwhile: " + error));
    };
    (*source)->live.sandbox->fork(
        std::move(requests), std::move(handlers),
        [this, held = *source, made_children = *children, done,
         foreground](Result<std::vector<std::unique_ptr<LiveSandbox>>> made) {
            forked(held, made_children, std::move(made), done);
        });
}

// Their entries and records; all of them, or none is left.
Result<std::vector<Sandboxes::EntryRef>> Sandboxes::make_children(const EntryRef& source,
                                                                  uint32_t count, uint64_t group) {
    std::vector<EntryRef> children;
    uint32_t number = 0;
    Status status;
    while (status && children.size() < count) {
        const std::string name = fmt::format("{}-{}", source->record.name, ++number);
        if (entries_.contains(name)) {
            continue;
        }
        const EntryRef child = std::make_shared<Entry>();
        child->record = source->record;
        child->record.name = name;
        child->record.id = random_id();
        child->record.parent = source->record.name;
        child->record.state = SandboxState::creating;
        child->record.pending = PendingOperation{"fork", source->record.name, group};
        child->record.last_fork = 0;
        child->record.adoptions = 0;
        child->record.created_unix = parts_.unix_time();
        ++child->record.generation;
        child->operation = "fork";
        status = check_name(name);
        if (status) {
            status = parts_.store.create(child->record);
        }
        if (status) {
            entries_.emplace(name, child);
            children.push_back(child);
            status = open_window(child);
        }
    }
    if (!status) {
        undo_fork(source, children);
        return tl::unexpected(status.error());
    }
    return children;
}

void Sandboxes::undo_fork(const EntryRef& source, const std::vector<EntryRef>& children) {
    for (const EntryRef& child : children) {
        forget(child);
    }
    log::debug("sandbox {}: a fork came to nothing", source->record.name);
}

void Sandboxes::forked(const EntryRef& source, const std::vector<EntryRef>& children,
                       Result<std::vector<std::unique_ptr<LiveSandbox>>> made,
                       const OnViews& done) {
    Status status = made ? Status() : Status(tl::unexpected(made.error()));
    if (made && made->size() != children.size()) {
        status = fail("the fork made another number of sandboxes");
    }
    for (size_t i = 0; status && i < children.size(); ++i) {
        HeldSandbox held;
        held.handlers = children[i]->live.handlers;
        held.sandbox = std::move((*made)[i]);
        set_live(children[i], std::move(held));
        status = hold(children[i]);
    }
    if (status) {
        const uint64_t before =
            std::exchange(source->record.last_fork, source->record.last_fork + 1);
        status = commit(source, source->record.state);
        if (!status) {
            source->record.last_fork = before;
        }
    }
    if (!status) {
        undo_fork(source, children);
        finish(source, status, nullptr);
        done(tl::unexpected(status.error()));
        return;
    }
    std::vector<SandboxView> views;
    for (const EntryRef& child : children) {
        if (const Status saved = commit(child, SandboxState::running); !saved) {
            log::error("sandbox {}: {}", child->record.name, saved.error().message);
            child->record.state = SandboxState::running;  // it is: the next start sees it as well
        }
        child->operation.clear();
        views.push_back(view(*child));
    }
    finish(source, status, nullptr);
    done(std::move(views));
    for (const EntryRef& child : children) {
        wake_waiting(child);
        arm_idle(child);
    }
}

}  // namespace anchorhold::service
