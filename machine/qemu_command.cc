// Runs the script and reads one argument a line.
#include "machine/qemu_command.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/fd.h"
#include "base/log.h"
#include "base/spawn.h"
#include "base/sys.h"

namespace anchorhold::machine {
namespace {

constexpr size_t kMaxOutput = 32 * 1024;
constexpr const char* kPath = "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

Result<std::string> read_to_end(int fd) {
    std::string text;
    std::byte piece[4096];
    while (text.size() <= kMaxOutput) {
        const size_t count = ANCHORHOLD_TRY(sys::read_some(fd, piece)).value_or(0);
        if (count == 0) {
            return text;
        }
        text.append(reinterpret_cast<const char*>(piece), count);
    }
    return fail("more than " + std::to_string(kMaxOutput) + " bytes of output");
}

// Standard output of a program; its standard error becomes part of the error when it fails.
Result<std::string> output_of(const std::vector<std::string>& arguments) {
    sys::Pipe out = ANCHORHOLD_TRY(sys::pipe());
    const OwnFd errors = ANCHORHOLD_TRY(sys::memfd("errors", 0));
    const OwnFd input = ANCHORHOLD_TRY(sys::open("/dev/null", O_RDONLY));
    SpawnRequest request;
    request.path = arguments[0];
    request.arguments = arguments;
    request.environment = {kPath};
    request.descriptors = {{input.get(), 0}, {out.write_end.get(), 1}, {errors.get(), 2}};
    Child child = ANCHORHOLD_TRY(spawn(request));
    out.write_end.reset();
    const std::string text = ANCHORHOLD_TRY(read_to_end(out.read_end.get()));
    const ExitStatus status = ANCHORHOLD_TRY(child.wait());
    if (status.code != 0 || status.signal != 0) {
        char said[512];
        const ssize_t size = ::pread(errors.get(), said, sizeof said, 0);
        std::string_view line(said, static_cast<size_t>(std::max<ssize_t>(size, 0)));
        line = line.substr(0, line.find('\n'));
        return fail(line.empty() ? arguments[0] + " failed" : log::escaped(line));
    }
    return text;
}

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    while (!text.empty()) {
        const size_t end = std::min(text.find('\n'), text.size());
        lines.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return lines;
}

Result<std::string> find_program(const std::string& name) {
    if (name.find('/') != std::string::npos) {
        return name;
    }
    for (const char* folder : {"/usr/local/bin/", "/usr/bin/", "/bin/"}) {
        if (::access((folder + name).c_str(), X_OK) == 0) {
            return folder + name;
        }
    }
    return fail("no " + name +
                " on this host, and the emulated host needs it; install qemu-system-x86");
}

}  // namespace

Result<std::vector<std::string>> qemu_command(const QemuRequest& request) {
    const std::string text = ANCHORHOLD_TRY(
        output_of({request.script, "--image", request.image, "--tree", request.tree, "--share",
                   request.share, "--console", request.console, "--flavour", request.flavour,
                   "--memory", std::to_string(request.memory_mib) + "M", "--cpus",
                   std::to_string(request.cpus), "--mux-fd", std::to_string(request.mux)}));
    std::vector<std::string> arguments = lines_of(text);
    if (arguments.empty()) {
        return fail(request.script + " printed no command line");
    }
    arguments[0] = ANCHORHOLD_TRY(find_program(arguments[0]));
    return arguments;
}

}  // namespace anchorhold::machine
