// Comparing a host with itself.
#include "vm/leftovers.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <sstream>
#include <system_error>

#include "base/sys.h"
#include "vm/anchorhold.h"

namespace anchorhold::vm_test {
namespace {

void add_processes(std::set<std::string>& out) {
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        const auto comm = sys::read_file(entry.path() / "comm", 64);
        std::error_code gone;
        if (comm && comm->starts_with("anchorhold") &&
            !std::filesystem::read_symlink(entry.path() / "exe", gone).empty()) {
            out.insert(entry.path().filename().string() + " " + *comm);
        }
    }
}

void add_files(const std::string& folder, std::set<std::string>& out) {
    std::error_code failed;
    for (auto it = std::filesystem::recursive_directory_iterator(folder, failed);
         !failed && it != std::filesystem::recursive_directory_iterator(); it.increment(failed)) {
        if (!it->is_directory(failed)) {
            out.insert(it->path());
        }
    }
}

std::string difference(const std::set<std::string>& before, const std::set<std::string>& after) {
    std::string text;
    std::set<std::string> more;
    std::set_difference(after.begin(), after.end(), before.begin(), before.end(),
                        std::inserter(more, more.end()));
    for (const std::string& line : more) {
        text += line + "\n";
    }
    return text;
}

}  // namespace

HostState HostState::now() {
    HostState state;
    add_processes(state.processes);
    std::istringstream mounts(sys::read_file("/proc/self/mounts").value_or(""));
    for (std::string line; std::getline(mounts, line);) {
        state.mounts.insert(line);
    }
    for (const char* folder : {"/tmp", "/run", "/var/tmp", "/dev/shm"}) {
        add_files(folder, state.files);
    }
    return state;
}

std::string leftovers(const HostState& before) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    for (;;) {
        const HostState after = HostState::now();
        const std::string text = difference(before.processes, after.processes) +
                                 difference(before.mounts, after.mounts) +
                                 difference(before.files, after.files);
        if (text.empty() || std::chrono::steady_clock::now() > until) {
            return text;
        }
        ::poll(nullptr, 0,
               20);  // an orphaned VMM ends when the kernel gets to it: no event tells us
    }
}

}  // namespace anchorhold::vm_test
