// exec::ExecClient on a stream that the service passed.
#include "cli/service_exec.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <csignal>
#include <memory>
#include <variant>

#include "base/event_loop.h"
#include "base/log.h"
#include "base/sys.h"
#include "cli/exec_start.h"
#include "cli/exit_status.h"
#include "cli/foreground.h"
#include "cli/run_report.h"
#include "exec/client.h"

namespace anchorhold::cli {
namespace {

// What the service writes to a sandbox's audit log: supervisor/service/openapi.json.
std::string last_word(const exec::Outcome& outcome) {
    nlohmann::json word;
    if (const auto* exited = std::get_if<exec::Exited>(&outcome)) {
        word = {{"status", exited->code},
                {"signal", exited->signal},
                {"out_of_memory", exited->out_of_memory}};
    } else if (const auto* refused = std::get_if<exec::Refused>(&outcome)) {
        word = {{"error", "never ran: " + refused->message.substr(0, 500)}};
    } else {
        word = {{"error", "lost: " + std::get<exec::Lost>(outcome).message.substr(0, 500)}};
    }
    return word.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

class ServiceExec {
  public:
    ServiceExec(EventLoop& loop, const RunOptions& options) : loop_(loop), options_(options) {}

    Result<int> run(ServiceStream stream, exec::ClientHooks hooks) {
        Foreground::Options options;
        options.terminal = options_.terminal;
        // The stream ends with us, and the command with it.
        options.on_insist = [this] {
            outcome_ = exec::Exited{.code = 0, .signal = foreground_->stop_signal()};
            loop_.stop();
        };
        foreground_ = ANCHORHOLD_TRY(Foreground::create(loop_, std::move(options)));
        client_ = std::make_unique<exec::ExecClient>(
            loop_, std::move(stream.stream), exec_start(options_, {}), stdio_for(options_),
            [this](const exec::Outcome& outcome) {
                outcome_ = outcome;
                loop_.stop();
            },
            std::move(hooks));
        foreground_->attach(client_.get());
        const Status turned = loop_.run();
        foreground_->detach();
        client_.reset();
        foreground_.reset();
        ANCHORHOLD_TRY(turned);
        // Nobody may read it; the end of the connection says the rest.
        [[maybe_unused]] const Status told =
            sys::write_all(stream.lease.get(), last_word(outcome_));
        if (const auto* lost = std::get_if<exec::Lost>(&outcome_)) {
            return fail("the command's stream was lost: " + log::escaped(lost->message),
                        ECONNRESET);
        }
        if (const auto* refused = std::get_if<exec::Refused>(&outcome_)) {
            print_error(log::escaped(refused->message));
        }
        return exit_status(outcome_);
    }

  private:
    EventLoop& loop_;
    const RunOptions& options_;
    std::unique_ptr<Foreground> foreground_;
    std::unique_ptr<exec::ExecClient> client_;
    exec::Outcome outcome_ = exec::Lost{"it never answered"};
};

}  // namespace

Result<int> exec_on(ServiceStream stream, const RunOptions& options, exec::ClientHooks hooks) {
    const auto loop = ANCHORHOLD_TRY(EventLoop::create());
    return ServiceExec(*loop, options).run(std::move(stream), std::move(hooks));
}

}  // namespace anchorhold::cli
