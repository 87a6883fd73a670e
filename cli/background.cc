// A notification socket in the abstract namespace, a child, and whichever speaks first.
#include "cli/background.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string_view>

#include "base/log.h"
#include "base/private_folder.h"
#include "base/spawn.h"
#include "base/sys.h"

namespace anchorhold::cli {
namespace {

constexpr int kPatienceMs = 60'000;  // an emulated host under load takes its time

struct Notices {
    OwnFd socket;
    std::string variable;  // NOTIFY_SOCKET=…
};

// Bound by the kernel to a name of its own choice (unix(7), autobind).
Result<Notices> listen_for_notices() {
    Notices notices;
    notices.socket.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socklen_t size = sizeof(sa_family_t);
    if (!notices.socket.valid() ||
        ::bind(notices.socket.get(), reinterpret_cast<const sockaddr*>(&address), size) < 0) {
        return fail_errno("bind", "a notification socket");
    }
    size = sizeof address;
    if (::getsockname(notices.socket.get(), reinterpret_cast<sockaddr*>(&address), &size) < 0) {
        return fail_errno("getsockname");
    }
    const size_t length = size - offsetof(sockaddr_un, sun_path);
    notices.variable = "NOTIFY_SOCKET=@" + std::string(address.sun_path + 1, length - 1);
    return notices;
}

std::string last_line_of(const std::string& log) {
    std::string text = sys::read_file(log, size_t{64} << 20).value_or("");
    while (!text.empty() && text.back() == '\n') {
        text.pop_back();
    }
    return log::escaped(text.substr(text.rfind('\n') + 1), 1000);
}

bool says_ready(int socket) {
    char text[256] = {};
    const ssize_t got = ::recv(socket, text, sizeof text - 1, MSG_DONTWAIT);
    return got > 0 && std::string_view(text).find("READY=1") != std::string_view::npos;
}

}  // namespace

Status start_in_background(const supervisor::Installation& installation,
                           const std::vector<std::string>& arguments, const std::string& log) {
    ANCHORHOLD_TRY(make_private_folders(log.substr(0, log.rfind('/'))));
    const OwnFd output = ANCHORHOLD_TRY(sys::open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    const OwnFd nothing = ANCHORHOLD_TRY(sys::open("/dev/null", O_RDONLY));
    const Notices notices = ANCHORHOLD_TRY(listen_for_notices());
    SpawnRequest request;
    request.path = installation.program;
    request.arguments = {"anchorhold"};
    for (const std::string& argument : arguments) {
        if (argument != "--background") {
            request.arguments.push_back(argument);
        }
    }
    for (char** variable = ::environ; *variable != nullptr; ++variable) {
        if (!std::string_view(*variable).starts_with("NOTIFY_SOCKET=")) {
            request.environment.emplace_back(*variable);
        }
    }
    request.environment.push_back(notices.variable);
    request.descriptors = {{nothing.get(), 0}, {output.get(), 1}, {output.get(), 2}};
    request.new_session = true;
    Child child = ANCHORHOLD_TRY(spawn(request));
    pollfd waits[] = {{notices.socket.get(), POLLIN, 0}, {child.pidfd(), POLLIN, 0}};
    while (::poll(waits, 2, kPatienceMs) > 0 || errno == EINTR) {
        if ((waits[0].revents & POLLIN) != 0 && says_ready(notices.socket.get())) {
            child.let_go();
            return {};
        }
        if ((waits[1].revents & POLLIN) != 0) {
            const std::string line = last_line_of(log);
            return fail(line.empty() ? "it ended before it was ready; see " + log : line);
        }
    }
    return fail("it did not become ready within a minute; see " + log);
}

}  // namespace anchorhold::cli
