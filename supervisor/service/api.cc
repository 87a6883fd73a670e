// One function for each shape of call.
#include "supervisor/service/api.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <utility>

#include "base/log.h"
#include "supervisor/service/request_json.h"
#include "supervisor/service/view_json.h"

namespace anchorhold::service {
namespace {

Reply json_reply(int status, std::string body) {
    Reply reply;
    reply.status = status;
    reply.body = std::move(body);
    return reply;
}

// A header's value: nothing in it that ends a line.
std::string field(std::string_view name, const std::string& value) {
    return value.empty() ? std::string()
                         : fmt::format("{}: {}\r\n", name, log::escaped(value, 500));
}

Sandboxes::OnView answer_view(int status, const Respond& respond) {
    return [status, respond](const Result<SandboxView>& view) {
        respond(view ? json_reply(status, to_json(*view)) : problem(view.error()));
    };
}

Reply stream_reply(CommandStream command, std::string fields) {
    Reply reply;
    reply.status = 101;
    reply.fields = "Upgrade: anchorhold-exec\r\n" + std::move(fields);
    reply.descriptor = std::move(command.stream);
    reply.on_lease_end = std::move(command.end);
    return reply;
}

}  // namespace

void Api::handle(const HttpRequest& request, Respond respond) {
    const Respond counted = [this, respond = std::move(respond)](Reply reply) {
        parts_.metrics.count_request(reply.status);
        respond(std::move(reply));
    };
    std::string allowed;
    const auto route = match_route(request.method, request.target, &allowed);
    if (!route) {
        Reply reply = problem(route.error().code, route.error().message);
        reply.fields = field("Allow", allowed);
        counted(std::move(reply));
        return;
    }
    dispatch(*route, request, counted);
}

void Api::dispatch(const MatchedRoute& route, const HttpRequest& request, const Respond& respond) {
    switch (route.call) {
        case Call::run:
            run(request, respond);
            break;
        case Call::version:
            respond(json_reply(
                200, nlohmann::json{{"version", parts_.version}, {"api", "v1"}}.dump() + "\n"));
            break;
        case Call::openapi:
            respond(json_reply(200, std::string(openapi_document())));
            break;
        case Call::metrics: {
            Reply reply = json_reply(200, metrics_text());
            reply.content_type = "text/plain; version=0.0.4";
            respond(std::move(reply));
            break;
        }
        case Call::list_sandboxes:
            list_sandboxes(respond);
            break;
        case Call::create_sandbox: {
            auto wanted = parse_create(request.body);
            if (wanted) {
                parts_.sandboxes.create(std::move(*wanted), answer_view(201, respond));
            } else {
                respond(problem(wanted.error()));
            }
            break;
        }
        case Call::list_pools:
            respond(json_reply(200, to_json(parts_.pools.list())));
            break;
        case Call::get_pool: {
            const auto pool = parts_.pools.find(route.parameter);
            respond(pool ? json_reply(200, to_json(*pool)) : problem(pool.error()));
            break;
        }
        case Call::put_pool:
            put_pool(route.parameter, request, respond);
            break;
        default:
            call_sandbox(route, request, respond);
            break;
    }
}

void Api::call_sandbox(const MatchedRoute& route, const HttpRequest& request,
                       const Respond& respond) {
    const std::string& name = route.parameter;
    if (route.call == Call::exec_sandbox) {
        exec(name, request, respond);
        return;
    }
    if (route.call == Call::fork_sandbox) {
        const auto count = parse_fork(request.body);
        if (!count) {
            respond(problem(count.error()));
            return;
        }
        parts_.sandboxes.fork(
            name, *count, [respond](const Result<std::vector<SandboxView>>& made) {
                respond(made ? json_reply(201, to_json(*made, {})) : problem(made.error()));
            });
        return;
    }
    if (const Status empty = parse_nothing(request.body); !empty) {
        respond(problem(empty.error()));
        return;
    }
    switch (route.call) {
        case Call::get_sandbox: {
            const auto view = parts_.sandboxes.find(name);
            respond(view ? json_reply(200, to_json(*view)) : problem(view.error()));
            break;
        }
        case Call::delete_sandbox:
            parts_.sandboxes.remove(
                name,
                route.query == "force=true" ? Sandboxes::Removal::always
                                            : Sandboxes::Removal::if_stopped,
                [respond](const Status& removed) {
                    respond(removed ? json_reply(200, "{}\n") : problem(removed.error()));
                });
            break;
        case Call::start_sandbox:
            parts_.sandboxes.start(name, answer_view(200, respond));
            break;
        case Call::stop_sandbox:
            parts_.sandboxes.stop(name, answer_view(200, respond));
            break;
        case Call::pause_sandbox:
            parts_.sandboxes.pause(name, answer_view(200, respond));
            break;
        case Call::resume_sandbox:
            parts_.sandboxes.resume(name, answer_view(200, respond));
            break;
        case Call::hibernate_sandbox:
            parts_.sandboxes.hibernate(name, answer_view(200, respond));
            break;
        default:
            respond(problem(500, "this route has no call"));
            break;
    }
}

void Api::run(const HttpRequest& request, const Respond& respond) {
    auto wanted = parse_run(request.body);
    if (!wanted) {
        respond(problem(wanted.error()));
        return;
    }
    parts_.runs.run(std::move(*wanted), [respond](Result<RunStream> stream) {
        if (!stream) {
            respond(problem(stream.error()));
            return;
        }
        const std::string memory(stream->memory_backend
                                     ? supervisor::to_text(*stream->memory_backend)
                                     : std::string_view());
        respond(stream_reply(std::move(stream->command),
                             field("Anchorhold-Start", std::string(to_text(stream->start))) +
                                 field("Anchorhold-Memory-Backend", memory) +
                                 field("Anchorhold-Sandbox", stream->sandbox) +
                                 field("Anchorhold-Passed-Over", stream->passed_over)));
    });
}

void Api::exec(const std::string& name, const HttpRequest& request, const Respond& respond) {
    auto command = parse_exec(request.body);
    if (!command) {
        respond(problem(command.error()));
        return;
    }
    parts_.sandboxes.exec(name, std::move(*command), [name, respond](Result<CommandStream> stream) {
        respond(stream ? stream_reply(std::move(*stream), field("Anchorhold-Sandbox", name))
                       : problem(stream.error()));
    });
}

void Api::put_pool(const std::string& name, const HttpRequest& request, const Respond& respond) {
    const auto target = parse_pool(request.body);
    if (!target) {
        respond(problem(target.error()));
        return;
    }
    if (const Status good = check_template_name(name); !good) {
        respond(problem(good.error()));
        return;
    }
    const auto pool = parts_.pools.set(name, *target);
    respond(pool ? json_reply(200, to_json(*pool)) : problem(pool.error()));
}

void Api::list_sandboxes(const Respond& respond) const {
    respond(json_reply(200, to_json(parts_.sandboxes.list(), parts_.sandboxes.damaged())));
}

std::string Api::metrics_text() const {
    std::string text = parts_.metrics.text();
    std::array<size_t, 5> states{};
    for (const SandboxView& view : parts_.sandboxes.list()) {
        ++states[static_cast<size_t>(view.record.state)];
    }
    text +=
        "# HELP anchorhold_sandboxes Named sandboxes, by state.\n# TYPE anchorhold_sandboxes "
        "gauge\n";
    for (size_t state = 0; state < states.size(); ++state) {
        text += fmt::format("anchorhold_sandboxes{{state=\"{}\"}} {}\n",
                            to_text(static_cast<SandboxState>(state)), states[state]);
    }
    text += fmt::format(
        "# HELP anchorhold_runs Sandboxes of one command each that run.\n# TYPE anchorhold_runs "
        "gauge\nanchorhold_runs {}\n",
        parts_.runs.count());
    text += "# HELP anchorhold_pool Guests and shells that wait.\n# TYPE anchorhold_pool gauge\n";
    for (const PoolView& pool : parts_.pools.list()) {
        text += fmt::format("anchorhold_pool{{template=\"{}\",kind=\"parked\"}} {}\n",
                            pool.template_name, pool.parked);
        text += fmt::format("anchorhold_pool{{template=\"{}\",kind=\"shell\"}} {}\n",
                            pool.template_name, pool.shells);
    }
    return text;
}

}  // namespace anchorhold::service
