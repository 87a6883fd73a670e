// fork: the source stands still while its memory becomes a file, then all children map that file.
#include <fcntl.h>

#include <chrono>
#include <utility>

#include "base/log.h"
#include "base/sys.h"
#include "supervisor/disk.h"
#include "supervisor/image.h"
#include "supervisor/service/real_sandbox.h"
#include "supervisor/service/real_shell.h"

namespace anchorhold::service {

// Children that are on their way: all of them, or none. Their handlers hold it, and it holds them
// until it is over.
struct RealSandbox::Birth {
    std::vector<std::unique_ptr<LiveSandbox>> children;
    size_t waiting = 0;  // for their guests to go on
    LiveSandbox::OnForked on_forked;
    bool over = false;
};

void RealSandbox::end_birth(EventLoop& loop, const std::shared_ptr<Birth>& birth,
                            Result<std::vector<std::unique_ptr<LiveSandbox>>> result) {
    if (std::exchange(birth->over, true)) {
        return;
    }
    // Whoever is left belongs to nobody. From the loop: one of them may be on the stack.
    loop.post([birth] { birth->children.clear(); });
    const auto on_forked = std::exchange(birth->on_forked, nullptr);
    on_forked(std::move(result));
}

// The source is gone, and with it whoever waits for its children.
void RealSandbox::give_up_birth() {
    if (const std::shared_ptr<Birth> birth = birth_.lock()) {
        birth->over = true;
        birth->on_forked = nullptr;
        birth->children.clear();
    }
}

void RealSandbox::fork(std::vector<StartRequest> children, std::vector<Handlers> handlers,
                       OnForked on_forked) {
    const bool runs = motion_ == Motion::kRunning;
    const auto requests = std::make_shared<std::vector<StartRequest>>(std::move(children));
    const auto theirs = std::make_shared<std::vector<Handlers>>(std::move(handlers));
    const TimePoint began = loop_.clock().now();
    // The source goes on as soon as its memory is written, whatever becomes of the children.
    const auto go_on = [this, runs, began](std::function<void(const Status&)> then) {
        if (!runs) {
            then(Status());
            return;
        }
        resume({}, [this, began, then](const Status& resumed) {
            log::info(
                "sandbox {} stood still for {} ms", name_,
                std::chrono::duration_cast<std::chrono::milliseconds>(loop_.clock().now() - began)
                    .count());
            then(resumed);
        });
    };
    const auto copy = [this, requests, theirs, on_forked, go_on] {
        write_memory([this, requests, theirs, on_forked,
                      go_on](Result<std::shared_ptr<MemorySnapshot>> written) {
            const auto snapshot =
                std::make_shared<Result<std::shared_ptr<MemorySnapshot>>>(std::move(written));
            if (*snapshot) {
                // While the source stands still: its disk is the one that its memory knows.
                for (StartRequest& request : *requests) {
                    if (sandbox_->disk() < 0 || !*snapshot) {
                        continue;
                    }
                    auto disk =
                        supervisor::clone_disk_to(sandbox_->disk(), request.folder + "/disk");
                    if (disk) {
                        request.parts.disk = std::move(*disk);
                    } else {
                        *snapshot = tl::unexpected(disk.error());
                    }
                }
            }
            post([this, requests, theirs, on_forked, go_on, snapshot] {
                go_on([this, requests, theirs, on_forked, snapshot](const Status& resumed) {
                    if (!*snapshot || !resumed) {
                        on_forked(tl::unexpected(!*snapshot ? snapshot->error() : resumed.error()));
                        return;
                    }
                    start_children(**snapshot, std::move(*requests), std::move(*theirs), on_forked);
                });
            });
        });
    };
    if (!runs) {
        copy();
        return;
    }
    pause([on_forked, copy](const Status& paused) {
        if (paused) {
            copy();
        } else {
            on_forked(tl::unexpected(paused.error()));
        }
    });
}

void RealSandbox::start_children(std::shared_ptr<MemorySnapshot> snapshot,
                                 std::vector<StartRequest> children, std::vector<Handlers> handlers,
                                 OnForked on_forked) {
    const auto birth = std::make_shared<Birth>();
    birth_ = birth;
    birth->on_forked = std::move(on_forked);
    birth->waiting = children.size();
    for (size_t i = 0; i < children.size(); ++i) {
        Handlers child_handlers;
        child_handlers.on_ready = [] {};
        // Until all are there one that ends ends the birth; afterwards its end is its holder's.
        child_handlers.on_end = [&loop = loop_, birth,
                                 theirs = handlers[i]](const std::string& error) {
            if (birth->over) {
                if (theirs.on_end) {
                    theirs.on_end(error);
                }
                return;
            }
            end_birth(loop, birth, fail(error.empty() ? "a child ended at once" : error));
        };
        auto child = make_child(*snapshot, std::move(children[i]), std::move(child_handlers),
                                [&loop = loop_, birth] {
                                    if (--birth->waiting == 0 && !birth->over) {
                                        end_birth(loop, birth, std::move(birth->children));
                                    }
                                });
        if (!child) {
            end_birth(loop_, birth, tl::unexpected(child.error()));
            return;
        }
        birth->children.push_back(std::move(*child));
    }
}

Result<std::unique_ptr<LiveSandbox>> RealSandbox::make_child(const MemorySnapshot& snapshot,
                                                             StartRequest request,
                                                             Handlers handlers,
                                                             std::function<void()> on_resumed) {
    supervisor::SnapshotFiles files;
    files.shape = supervisor::shape_of(spec_);
    files.image = context_.installation.image_path(spec_.image);
    files.image_file = ANCHORHOLD_TRY(supervisor::open_image(files.image));
    files.state = ANCHORHOLD_TRY(sys::dup_cloexec(snapshot.state.get()));
    files.memory = ANCHORHOLD_TRY(sys::dup_cloexec(snapshot.memory.get()));
    auto identity = ANCHORHOLD_TRY(complete(request.identity));
    auto made =
        std::make_unique<RealSandbox>(context_, request.name, request.spec, std::move(handlers));
    made->when_resumed(std::move(on_resumed));
    made->set(ANCHORHOLD_TRY(
        supervisor::Sandbox::restore(loop_, context_.installation,
                                     {.start = supervisor::RestoreRequest::Start::kRun,
                                      .files = files,
                                      .identity = std::move(identity),
                                      .shell = RealShell::take(std::move(request.shell))},
                                     std::move(request.parts), made->sandbox_handlers())));
    return made;
}

}  // namespace anchorhold::service
