// /proc, the state folder and the keeper's list.
#include "soak/service_host.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "base/log.h"
#include "base/sys.h"
#include "soak/processes.h"

namespace anchorhold::soak {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

constexpr auto kPatience = 60s;
constexpr size_t kLogLines = 12;

void look_again_in_a_moment() {
    ::poll(nullptr, 0, 20);  // a process that goes is no event for those who are not its parent
}

struct Process {
    pid_t parent = 0;
    std::string name;
};

std::map<pid_t, Process> all_processes() {
    std::map<pid_t, Process> all;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        const pid_t pid = std::atoi(entry.path().filename().c_str());
        // pid (comm) state ppid …: proc(5)
        const std::string text =
            pid > 0 ? sys::read_file(entry.path() / "stat").value_or("") : std::string();
        const size_t open = text.find('(');
        const size_t close = text.rfind(')');
        char state = 0;
        pid_t parent = 0;
        if (open != std::string::npos && close != std::string::npos &&
            std::sscanf(text.c_str() + close, ") %c %d", &state, &parent) == 2 && state != 'Z') {
            all[pid] = {parent, text.substr(open + 1, close - open - 1)};
        }
    }
    return all;
}

bool is_live(const nlohmann::json& view) {
    return view.contains("pid");
}

std::string join(const std::set<std::string>& names) {
    std::string text;
    for (const std::string& name : names) {
        text += (text.empty() ? "" : " ") + name;
    }
    return text.empty() ? "none" : text;
}

std::string process_differences(const ServiceProcess& service, const Views& views) {
    auto processes = processes_below_us(service.pid());
    std::set<pid_t> vmms;
    size_t windows = 0;
    for (const auto& [name, view] : views) {
        if (is_live(view)) {
            vmms.insert(view["pid"].get<pid_t>());
            windows += view["policies"].empty() ? 0 : 1;
        }
    }
    std::string text;
    for (const pid_t pid : std::exchange(processes["anchorhold-vmm"], {})) {
        if (vmms.erase(pid) == 0) {
            text += fmt::format("a VMM of no sandbox runs: process {}\n", pid);
        }
    }
    for (const pid_t pid : vmms) {
        text += fmt::format("a sandbox's VMM does not run: process {}\n", pid);
    }
    const auto at_most = [&](const char* program, size_t most) {
        const size_t there = std::exchange(processes[program], {}).size();
        if (there > most) {
            text += fmt::format("{} processes {}, at most {} have work\n", there, program, most);
        }
    };
    at_most("anchorhold", 1);
    at_most("anchorhold-keep", 1);
    at_most("anchorhold-dial", 1);
    at_most("anchorhold-prox", windows + 1);  // and the zygote
    for (const auto& [program, pids] : processes) {
        if (!pids.empty()) {
            text += fmt::format("{} processes {} are left\n", pids.size(), program);
        }
    }
    return text;
}

std::string keeper_differences(const std::string& folder, const Views& views) {
    const auto held = held_by_keeper(folder);
    if (!held) {
        return held.error().message + "\n";
    }
    std::set<std::string> wanted;
    for (const auto& [name, view] : views) {
        if (is_live(view)) {
            wanted.insert(name);
        }
    }
    const std::set<std::string> there(held->begin(), held->end());
    return there == wanted
               ? ""
               : fmt::format("the keeper holds: {}; what runs: {}\n", join(there), join(wanted));
}

std::string folder_differences(const std::filesystem::path& folder, const nlohmann::json& view) {
    std::string text;
    size_t snapshots = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        static const std::set<std::string> kKnown = {"record.json", "disk", "policy.pb",
                                                     "placeholders.json"};
        const std::string name = entry.path().filename();
        snapshots += name.starts_with("snapshot-") ? 1 : 0;
        if (!kKnown.contains(name) && !name.starts_with("snapshot-")) {
            text += "a file was left: " + entry.path().string() + "\n";
        }
    }
    const size_t wanted = view.value("state", "") == "hibernated" ? 1 : 0;
    if (snapshots != wanted) {
        text += fmt::format("{} has {} snapshots, it is {}\n", folder.string(), snapshots,
                            view.value("state", "?"));
    }
    return text;
}

std::string file_differences(const std::string& folder, const Views& views) {
    std::string text;
    std::set<std::string> wanted;
    for (const auto& [name, view] : views) {
        wanted.insert(name);
    }
    std::set<std::string> there;
    std::error_code failed;
    for (const auto& entry :
         std::filesystem::directory_iterator(folder + "/state/anchorhold/sandboxes", failed)) {
        const std::string name = entry.path().filename();
        there.insert(name);
        if (const auto view = views.find(name); view != views.end()) {
            text += folder_differences(entry.path(), view->second);
        }
    }
    if (there != wanted) {
        text += fmt::format("folders: {}; sandboxes: {}\n", join(there), join(wanted));
    }
    std::set<std::string> sockets;
    for (const auto& entry : std::filesystem::directory_iterator(folder + "/run", failed)) {
        sockets.insert(entry.path().filename());
    }
    if (sockets != std::set<std::string>{"anchorhold.sock", "anchorhold.sock.keeper"}) {
        text += fmt::format("in the runtime folder: {}\n", join(sockets));
    }
    for (const auto& entry :
         std::filesystem::directory_iterator(folder + "/cache/anchorhold/disks", failed)) {
        text += "a disk was left: " + entry.path().string() + "\n";
    }
    return text;
}

void write_private(const std::filesystem::path& path, const std::string& text) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
    std::filesystem::permissions(
        path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

}  // namespace

bool Faults::require(bool holds, const std::string& what) {
    if (!holds) {
        ++count_;
        fmt::print("FAULT  {}: {}\n", point_, what);
        std::fflush(stdout);
    }
    return holds;
}

std::map<std::string, std::set<pid_t>> processes_below_us(pid_t service) {
    reap_orphans(service);
    const auto all = all_processes();
    std::map<std::string, std::set<pid_t>> below;
    for (const auto& [pid, process] : all) {
        pid_t ancestor = process.parent;
        while (ancestor > 1 && ancestor != ::getpid()) {
            const auto found = all.find(ancestor);
            ancestor = found == all.end() ? 0 : found->second.parent;
        }
        if (ancestor == ::getpid()) {
            below[process.name].insert(pid);
        }
    }
    return below;
}

uint64_t resident_kib(pid_t pid) {
    std::istringstream status(
        sys::read_file("/proc/" + std::to_string(pid) + "/status").value_or(""));
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("VmRSS:")) {
            return std::strtoull(line.c_str() + 6, nullptr, 10);
        }
    }
    return 0;
}

Result<Views> settled_views(const ServiceProcess& service, std::optional<pid_t> ended) {
    const auto until = Steady::now() + kPatience;
    for (;;) {
        const ServiceAnswer answer = ANCHORHOLD_TRY(service.ask("GET", "/v1/sandboxes"));
        if (!answer.good() || !answer.body.is_object()) {
            return fail("the list of sandboxes: " + answer.text());
        }
        if (answer.body.contains("damaged")) {
            return fail("the service found damage: " + answer.body["damaged"].dump());
        }
        Views views;
        bool busy = false;
        for (const auto& view : answer.body["sandboxes"]) {
            busy = busy || view.contains("operation") || (ended && view.value("pid", -1) == *ended);
            views[view.value("name", "?")] = view;
        }
        if (!busy) {
            return views;
        }
        if (Steady::now() > until) {
            return fail("an operation does not end: " + answer.body.dump());
        }
        look_again_in_a_moment();
    }
}

Result<std::set<std::string>> names_of_ps(const std::string& folder) {
    const std::string text = ANCHORHOLD_TRY(ServiceProcess::call(folder, {"ps", "--json"}));
    const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("sandboxes")) {
        return fail("ps --json said: " + log::escaped(text, 300));
    }
    std::set<std::string> names;
    for (const auto& view : json["sandboxes"]) {
        names.insert(view.value("name", "?"));
    }
    return names;
}

std::string differences(const std::string& folder, const ServiceProcess& service,
                        const Views& views) {
    const auto until = Steady::now() + kPatience;
    for (;;) {
        const std::string text = process_differences(service, views) +
                                 keeper_differences(folder, views) +
                                 file_differences(folder, views);
        if (text.empty() || Steady::now() > until) {
            return text;
        }
        look_again_in_a_moment();
    }
}

std::string log_end(const std::string& folder) {
    std::ifstream log(folder + "/serve.log");
    std::vector<std::string> lines;
    for (std::string line; std::getline(log, line);) {
        lines.push_back(line);
    }
    std::string text;
    for (size_t i = lines.size() - std::min(lines.size(), kLogLines); i < lines.size(); ++i) {
        text += "    " + lines[i] + "\n";
    }
    return text;
}

std::string guest_writes(const std::string& file_word, const std::string& memory_word) {
    return fmt::format("echo {} > $HOME/word; sync; echo {} > /dev/shm/word", file_word,
                       memory_word);
}

std::string policy_path(const std::string& folder) {
    return folder + "/soak.yaml";
}

Status furnish(const std::string& folder, uint16_t upstream_port) {
    std::error_code failed;
    for (const char* part : {"/state", "/run", "/config", "/cache"}) {
        std::filesystem::create_directories(folder + part, failed);
        std::filesystem::permissions(folder + part, std::filesystem::perms::owner_all, failed);
    }
    if (failed) {
        return fail("could not make the soak's folders below " + folder);
    }
    write_private(
        folder + "/config/anchorhold/network.yaml",
        fmt::format("version: 1\nhosts:\n  {}: 127.0.0.1:{}\n", kUpstream, upstream_port));
    write_private(policy_path(folder),
                  fmt::format("version: 1\nkind: grant\nname: soak\nallow:\n  - host: {}\n"
                              "    protocol: http\n    methods: [GET]\n    paths: [\"/v1/**\"]\n"
                              "    private_ranges: [127.0.0.0/8]\n",
                              kUpstream));
    ANCHORHOLD_TRY(ServiceProcess::call(
        folder, {"template", "create", kTemplate, "--quiet", "--image", "tiny", "-m", "64M",
                 "--disk", "64M", "--warm", "echo made > $HOME/made"}));
    return {};
}

}  // namespace anchorhold::soak
