// Text files of /proc and debugfs; each is read once.
#include "bench/counters.h"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <optional>

#include "base/sys.h"

namespace anchorhold::bench {
namespace {

// The number at `column` of blank-separated text; columns count from 0.
std::optional<uint64_t> column_of(std::string_view text, size_t column) {
    for (; column > 0; --column) {
        const size_t blank = text.find(' ');
        if (blank == std::string_view::npos) {
            return std::nullopt;
        }
        text.remove_prefix(blank + 1);
    }
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() ? std::optional(value) : std::nullopt;
}

void add_faults(Counters& counters, const std::string& process) {
    const auto text = sys::read_file(process + "/stat", 4096);
    // The name, in parentheses, may hold anything.
    const size_t name_end = text ? text->rfind(") ") : std::string::npos;
    if (name_end == std::string::npos) {
        return;
    }
    // Fields 10 and 12 of proc_pid_stat(5); the name is the second.
    const std::string_view rest = std::string_view(*text).substr(name_end + 2);
    counters["faults.minor"] = column_of(rest, 7).value_or(0);
    counters["faults.major"] = column_of(rest, 9).value_or(0);
}

void add_cpu_time(Counters& counters, const std::string& process) {
    std::error_code failed;
    uint64_t sum = 0;
    for (const auto& task : std::filesystem::directory_iterator(process + "/task", failed)) {
        if (const auto text = sys::read_file(task.path() / "schedstat", 256)) {
            sum += column_of(*text, 0).value_or(0);
        }
    }
    if (sum != 0) {
        counters["cpu.vmm_ns"] = sum;
    }
}

void add_kvm(Counters& counters, const std::string& folder) {
    std::error_code failed;
    for (const auto& entry : std::filesystem::directory_iterator(folder, failed)) {
        if (!entry.is_regular_file(failed)) {
            continue;
        }
        const auto text = sys::read_file(entry.path(), 64);
        if (const auto value = text ? column_of(*text, 0) : std::nullopt; value && *value != 0) {
            counters["kvm." + entry.path().filename().string()] = *value;
        }
    }
}

}  // namespace

std::string kvm_statistics_folder(const std::string& debugfs, pid_t vmm) {
    std::error_code failed;
    const std::string prefix = std::to_string(vmm) + "-";
    for (const auto& entry : std::filesystem::directory_iterator(debugfs + "/kvm", failed)) {
        if (entry.path().filename().string().starts_with(prefix)) {
            return entry.path();
        }
    }
    return {};
}

Counters read_counters(const std::string& root, pid_t vmm) {
    Counters counters;
    if (vmm <= 0) {
        return counters;
    }
    const std::string process = fmt::format("{}proc/{}", root, vmm);
    add_faults(counters, process);
    add_cpu_time(counters, process);
    if (const auto folder = kvm_statistics_folder(root + "sys/kernel/debug", vmm);
        !folder.empty()) {
        add_kvm(counters, folder);
    }
    return counters;
}

Counters since(const Counters& before, const Counters& now) {
    Counters counted;
    for (const auto& [name, value] : now) {
        const auto found = before.find(name);
        const uint64_t already = found == before.end() ? 0 : found->second;
        if (value > already) {
            counted[name] = value - already;
        }
    }
    return counted;
}

}  // namespace anchorhold::bench
