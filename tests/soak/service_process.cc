// Spawned, asked over its socket, killed.
#include "soak/service_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <variant>

#include "base/event_loop.h"
#include "base/log.h"
#include "base/seqpacket.h"
#include "base/stream_rights.h"
#include "base/sys.h"
#include "base/unix_socket.h"
#include "exec/client.h"
#include "exec/shell_command.h"
#include "proto/keeper.pb.h"
#include "supervisor/service/http_codec.h"
#include "vm/anchorhold.h"

namespace anchorhold::soak {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

// For one answer or one command, on a loaded machine that is emulated twice.
constexpr std::chrono::seconds kPatience = 180s;
constexpr int kPatienceMs = 180'000;
constexpr size_t kMostOutput = size_t{1} << 20;

std::vector<std::string> environment_of(const std::string& folder) {
    return {"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME=" + folder,
            "ANCHORHOLD_IN_MACHINE=1",
            "XDG_STATE_HOME=" + folder + "/state",
            "XDG_RUNTIME_DIR=" + folder + "/run",
            "XDG_CONFIG_HOME=" + folder + "/config",
            "XDG_CACHE_HOME=" + folder + "/cache"};
}

Result<std::string> text_of(int file) {
    std::string text(kMostOutput, '\0');
    const ssize_t count = ::pread(file, text.data(), text.size(), 0);
    if (count < 0) {
        return fail_errno("read", "output");
    }
    text.resize(static_cast<size_t>(count));
    return text;
}

}  // namespace

std::string ServiceAnswer::text() const {
    return good() || !body.is_object()
               ? std::to_string(status)
               : fmt::format("{} ({})", status, body.value("detail", std::string("no words")));
}

Result<std::optional<ServiceAnswer>> AskedService::answer() {
    service::AnswerReader reader;
    ServiceAnswer answer;
    const auto until = Steady::now() + kPatience;
    for (;;) {
        pollfd wait{connection_.get(), POLLIN, 0};
        if (Steady::now() > until || ::poll(&wait, 1, kPatienceMs) <= 0) {
            return fail(fmt::format("the service did not answer within {} s", kPatience.count()));
        }
        std::array<std::byte, 16384> buffer;
        auto got = receive_with_fds(connection_.get(), buffer);
        if (!got || !*got || (*got)->count == 0) {
            return std::optional<ServiceAnswer>();
        }
        if (!(*got)->fds.empty()) {
            answer.stream = std::move((*got)->fds.front());
        }
        auto whole = ANCHORHOLD_TRY(
            reader.feed({reinterpret_cast<const char*>(buffer.data()), (*got)->count}));
        if (whole) {
            answer.status = whole->status;
            answer.body = nlohmann::json::parse(whole->body, nullptr, /*allow_exceptions=*/false);
            answer.start = whole->fields["anchorhold-start"];
            answer.connection = std::move(connection_);
            return std::optional<ServiceAnswer>(std::move(answer));
        }
    }
}

Result<std::string> run_on_stream(OwnFd stream, const std::string& shell_line) {
    const auto loop = ANCHORHOLD_TRY(EventLoop::create());
    const OwnFd output = ANCHORHOLD_TRY(sys::memfd("output", 0));
    std::optional<exec::Outcome> outcome;
    const exec::ExecClient client(*loop, std::move(stream), exec::shell_command(shell_line),
                                  exec::Stdio{.in = -1, .out = output.get(), .err = output.get()},
                                  [&outcome](const exec::Outcome& ended) { outcome = ended; });
    const auto until = Steady::now() + kPatience;
    while (!outcome) {
        if (Steady::now() > until) {
            return fail(fmt::format("the command did not end within {} s", kPatience.count()));
        }
        ANCHORHOLD_TRY(loop->run_once(1s));
    }
    const std::string text = ANCHORHOLD_TRY(text_of(output.get()));
    if (const auto* exited = std::get_if<exec::Exited>(&*outcome)) {
        return exited->code == 0 && exited->signal == 0
                   ? Result<std::string>(text)
                   : fail(fmt::format("the command ended with status {}, signal {}: {}",
                                      exited->code, exited->signal, log::escaped(text, 300)));
    }
    const auto* refused = std::get_if<exec::Refused>(&*outcome);
    return fail(refused != nullptr ? "the command was refused: " + log::escaped(refused->message)
                                   : "the command was lost: " +
                                         log::escaped(std::get<exec::Lost>(*outcome).message));
}

std::string service_socket(const std::string& folder) {
    return folder + "/run/anchorhold.sock";
}

Result<std::unique_ptr<ServiceProcess>> ServiceProcess::launch(const std::string& folder) {
    const OwnFd nothing = ANCHORHOLD_TRY(sys::open("/dev/null", O_RDWR));
    const OwnFd log =
        ANCHORHOLD_TRY(sys::open(folder + "/serve.log", O_WRONLY | O_CREAT | O_APPEND, 0600));
    std::unique_ptr<ServiceProcess> service(new ServiceProcess(service_socket(folder)));
    SpawnRequest request;
    request.path = vm_test::program_path();
    request.arguments = {"anchorhold", "serve", "--on-exit", "stop", "--socket", service->socket_};
    request.environment = environment_of(folder);
    request.descriptors = {{nothing.get(), 0}, {log.get(), 1}, {log.get(), 2}};
    request.new_session = true;
    service->child_ = ANCHORHOLD_TRY(spawn(request));
    return service;
}

Result<std::unique_ptr<ServiceProcess>> ServiceProcess::start(const std::string& folder) {
    auto service = ANCHORHOLD_TRY(launch(folder));
    const auto until = Steady::now() + kPatience;
    // The socket of the life before may be there still: an answer says more than a connection.
    for (;;) {
        if (const auto asked = service->ask("GET", "/v1/version"); asked && asked->good()) {
            return service;
        }
        pollfd ended{service->child_.pidfd(), POLLIN, 0};
        if (::poll(&ended, 1, 5) > 0) {
            return fail("anchorhold serve ended at its start");
        }
        if (Steady::now() > until) {
            return fail("anchorhold serve took no connection");
        }
    }
}

Result<std::string> ServiceProcess::call(const std::string& folder,
                                         std::vector<std::string> arguments) {
    const OwnFd nothing = ANCHORHOLD_TRY(sys::open("/dev/null", O_RDWR));
    const OwnFd output = ANCHORHOLD_TRY(sys::memfd("output", 0));
    SpawnRequest request;
    request.path = vm_test::program_path();
    request.arguments = {"anchorhold"};
    request.arguments.insert(request.arguments.end(), arguments.begin(), arguments.end());
    request.environment = environment_of(folder);
    request.environment.push_back("ANCHORHOLD_SOCKET=" + service_socket(folder));
    request.descriptors = {{nothing.get(), 0}, {output.get(), 1}, {output.get(), 2}};
    request.new_session = true;
    Child child = ANCHORHOLD_TRY(spawn(request));
    const ExitStatus ended = ANCHORHOLD_TRY(child.wait());
    std::string text = ANCHORHOLD_TRY(text_of(output.get()));
    if (ended.code != 0 || ended.signal != 0) {
        return fail(fmt::format("anchorhold {} ended with status {}, signal {}: {}", arguments[0],
                                ended.code, ended.signal, log::escaped(text, 500)));
    }
    return text;
}

Result<AskedService> ServiceProcess::send(std::string_view method, std::string_view target,
                                          std::string_view body) const {
    OwnFd connection = ANCHORHOLD_TRY(connect_unix(socket_, SOCK_STREAM));
    ANCHORHOLD_TRY(sys::write_all(connection.get(), service::request_text(method, target, body)));
    return AskedService(std::move(connection));
}

Result<ServiceAnswer> ServiceProcess::ask(std::string_view method, std::string_view target,
                                          std::string_view body) const {
    AskedService asked = ANCHORHOLD_TRY(send(method, target, body));
    auto answer = ANCHORHOLD_TRY(asked.answer());
    if (!answer) {
        return fail(fmt::format("{} {}: the service ended before it answered", method, target));
    }
    return std::move(*answer);
}

Result<std::string> ServiceProcess::run_in(const std::string& sandbox,
                                           const std::string& shell_line) const {
    ServiceAnswer answer = ANCHORHOLD_TRY(ask("POST", "/v1/sandboxes/" + sandbox + "/exec"));
    if (answer.status != 101 || !answer.stream.valid()) {
        return fail("no stream: " + answer.text());
    }
    auto output = run_on_stream(std::move(answer.stream), shell_line);
    // The client's last word, which the audit log has (supervisor/service/openapi.json).
    [[maybe_unused]] const Status told =
        sys::write_all(answer.connection.get(), output ? R"({"status":0})" : R"({"status":1})");
    return output;
}

Status ServiceProcess::kill() {
    ANCHORHOLD_TRY(child_.signal(SIGKILL));
    ANCHORHOLD_TRY(child_.wait());
    return {};
}

Status ServiceProcess::stop() {
    ANCHORHOLD_TRY(child_.signal(SIGTERM));
    pollfd ended{child_.pidfd(), POLLIN, 0};
    if (::poll(&ended, 1, kPatienceMs) <= 0) {
        return fail("anchorhold serve did not end when it was asked to");
    }
    const ExitStatus status = ANCHORHOLD_TRY(child_.wait());
    return status.code == 0 && status.signal == 0
               ? Status()
               : Status(fail(fmt::format("anchorhold serve ended with status {}, signal {}",
                                         status.code, status.signal)));
}

Result<std::vector<std::string>> held_by_keeper(const std::string& folder) {
    const OwnFd keeper =
        ANCHORHOLD_TRY(connect_unix(service_socket(folder) + ".keeper", SOCK_SEQPACKET));
    std::vector<std::string> names;
    for (;;) {
        proto::KeeperRequest request;
        request.mutable_list()->set_after(names.empty() ? "" : names.back());
        ANCHORHOLD_TRY(send_packet(keeper.get(), request.SerializeAsString()));
        const auto packet = ANCHORHOLD_TRY(receive_packet(keeper.get()));
        proto::KeeperAnswer answer;
        if (!packet || packet->bytes.empty() || !answer.ParseFromString(packet->bytes)) {
            return fail("the keeper did not answer");
        }
        names.insert(names.end(), answer.names().begin(), answer.names().end());
        if (!answer.more()) {
            return names;
        }
    }
}

}  // namespace anchorhold::soak
