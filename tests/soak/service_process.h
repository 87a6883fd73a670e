// `anchorhold serve` as the soak sees it: a process that can be killed, and a socket that is asked.
#pragma once

#include <nlohmann/json.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/spawn.h"

namespace anchorhold::soak {

// An answer of the service. The connection stays open with it: it is a command's lease.
struct ServiceAnswer {
    int status = 0;
    nlohmann::json body;
    OwnFd stream;       // of a 101
    std::string start;  // of one for a run: how its guest was started
    OwnFd connection;
    [[nodiscard]] bool good() const { return status == 101 || (status >= 200 && status < 300); }
    // The status and, of a problem, its words.
    [[nodiscard]] std::string text() const;
};

// A request that was written and whose answer was not read yet.
class AskedService {
  public:
    explicit AskedService(OwnFd connection) : connection_(std::move(connection)) {}
    // Nothing: the service ended before it answered.
    Result<std::optional<ServiceAnswer>> answer();

  private:
    OwnFd connection_;
};

// What a command in a guest wrote, when it exited with 0; otherwise an error that says how it
// ended.
Result<std::string> run_on_stream(OwnFd stream, const std::string& shell_line);

// One life of a service. Killed with the object.
class ServiceProcess {
  public:
    // State, runtime folder, configuration, caches and the service's log are below `folder`.
    // Returns at once.
    static Result<std::unique_ptr<ServiceProcess>> launch(const std::string& folder);
    // The same, and waits until it answers.
    static Result<std::unique_ptr<ServiceProcess>> start(const std::string& folder);

    // Another command of the installation, with the same folders; what it wrote. A status that is
    // not 0 is an error.
    static Result<std::string> call(const std::string& folder, std::vector<std::string> arguments);

    [[nodiscard]] pid_t pid() const { return child_.pid(); }
    Result<AskedService> send(std::string_view method, std::string_view target,
                              std::string_view body = {}) const;
    // Sends and waits; an error where the service ended first.
    Result<ServiceAnswer> ask(std::string_view method, std::string_view target,
                              std::string_view body = {}) const;
    // A shell's line in a sandbox.
    Result<std::string> run_in(const std::string& sandbox, const std::string& shell_line) const;

    // SIGKILL and the end.
    Status kill();
    // SIGTERM and the end; a status that is not 0 is an error.
    Status stop();

  private:
    explicit ServiceProcess(std::string socket) : socket_(std::move(socket)) {}
    std::string socket_;
    Child child_;
};

// Where the service of a folder listens; its keeper is beside it.
[[nodiscard]] std::string service_socket(const std::string& folder);
// The names that the keeper of a folder's service holds.
Result<std::vector<std::string>> held_by_keeper(const std::string& folder);

}  // namespace anchorhold::soak
