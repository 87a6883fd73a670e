// What a run may leave behind: nothing.
#pragma once

#include <set>
#include <string>

namespace anchorhold::vm_test {

// Everything a sandbox could leave on its host: processes of ours, mounts, files below the folders
// we write to.
struct HostState {
    std::set<std::string> processes;
    std::set<std::string> mounts;
    std::set<std::string> files;

    static HostState now();
};

// What `after` has and `before` had not, one a line; empty when nothing was left. Waits, with a
// deadline, for processes that are on their way out.
std::string leftovers(const HostState& before);

}  // namespace anchorhold::vm_test
