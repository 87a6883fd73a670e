// A start, a stream, an end.
#include "supervisor/service/runs.h"

#include <cerrno>
#include <utility>

#include "base/log.h"
#include "supervisor/service/record.h"

namespace anchorhold::service {

struct Runs::Run {
    uint64_t number = 0;
    std::string name;
    HeldSandbox live;
    std::unique_ptr<SandboxWindow> window;
};

Runs::~Runs() {
    for (const auto& [number, run] : running_) {
        *run->live.handlers = {};
        run->live = {};
    }
}

Result<StartOrder> Runs::order_for(const RunRequest& request, const RunRef& run) {
    StartOrder order;
    const std::string id = random_id();
    run->name = "run-" + id.substr(0, 10);
    order.name = run->name;
    order.identity = {1, run->name, id};
    order.spec = request.spec;
    order.template_name = request.template_name;
    order.memory_backend = request.memory_backend;
    if (request.template_name.empty()) {
        const uint64_t memory = ANCHORHOLD_TRY(supervisor::host_memory_bytes());
        if (const Status valid = supervisor::validate(request.spec, memory); !valid) {
            return fail(valid.error().message, EINVAL);
        }
    } else {
        ANCHORHOLD_TRY(check_template_name(request.template_name));
        const TemplateInfo origin =
            ANCHORHOLD_TRY(parts_.engine.find_template(request.template_name));
        order.spec.image = origin.image;
        order.spec.cpus = origin.cpus;
        order.spec.memory_bytes = origin.memory_bytes;
        order.spec.disk_bytes = origin.disk_bytes;
    }
    if (!request.policies.empty()) {
        WindowOrder window;
        window.sandbox = run->name;
        window.image = order.spec.image;
        window.policies = request.policies;
        run->window = ANCHORHOLD_TRY(parts_.windows.open(window));
        order.window.parts = [run] { return run->window->parts(); };
        order.window.take_channels = [run](std::vector<supervisor::GuestChannel> channels) {
            return run->window->take_channels(std::move(channels));
        };
    }
    return order;
}

void Runs::run(RunRequest request, OnStream done) {
    const RunRef run = std::make_shared<Run>();
    run->number = ++last_;
    auto order = order_for(request, run);
    if (!order) {
        done(tl::unexpected(order.error()));
        return;
    }
    running_.emplace(run->number, run);
    parts_.starter.start(std::move(*order), [this, run, command = std::move(request.command),
                                             done](Result<Started> result) {
        started(run, std::move(result), command, done);
    });
}

void Runs::started(const RunRef& run, Result<Started> started, const StatedCommand& command,
                   const OnStream& done) {
    if (!started) {
        end(run, started.error().message);
        done(tl::unexpected(started.error()));
        return;
    }
    run->live = std::move(started->held);
    run->live.handlers->on_end = [this, run](const std::string& error) {
        // The client sees its stream end; it asks us nothing any more.
        forget_ended(parts_.loop, std::exchange(run->live, HeldSandbox()));
        log::info("sandbox {} ended: {}", run->name, log::escaped(error));
        end(run, error);
    };
    auto stream = run->live.sandbox->open_exec_stream();
    Status status = stream ? Status() : Status(tl::unexpected(stream.error()));
    uint64_t number = 0;
    if (status && run->window) {
        const auto written = run->window->command_begins(command);
        status =
            written ? Status() : Status(tl::unexpected(written.error().within("the audit log")));
        number = written.value_or(0);
    }
    if (!status) {
        end(run, status.error().message);
        done(tl::unexpected(status.error()));
        return;
    }
    parts_.metrics.count_exec();
    RunStream result;
    result.sandbox = run->name;
    result.start = started->path;
    result.memory_backend = started->memory_backend;
    result.passed_over = started->passed_over;
    result.command.stream = std::move(*stream);
    result.command.end = [this, weak = std::weak_ptr<Run>(run), number,
                          began = parts_.loop.clock().now()](std::string_view last_word) {
        if (const RunRef alive = weak.lock()) {
            if (alive->window && number != 0) {
                alive->window->command_ended(number, last_word, parts_.loop.clock().now() - began);
            }
            end(alive, "");
        }
    };
    done(std::move(result));
}

// Once or more; its window closes when the VM cannot speak any more.
void Runs::end(const RunRef& run, const std::string& reason) {
    running_.erase(run->number);
    const auto close = [this, run, reason] {
        if (run->window) {
            const std::shared_ptr<SandboxWindow> window = std::move(run->window);
            window->close(reason, [this, window] { parts_.loop.post([window] {}); });
        }
    };
    if (!run->live) {
        close();
        return;
    }
    const auto handlers = run->live.handlers;
    handlers->on_end = [this, run, close](const std::string&) {
        forget_ended(parts_.loop, std::exchange(run->live, HeldSandbox()));
        close();
    };
    run->live.sandbox->destroy();
}

}  // namespace anchorhold::service
