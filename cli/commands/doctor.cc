// `anchorhold doctor`: can sandboxes run here, what slows their starts, what tenants share.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <memory>

#include "cli/command.h"
#include "machine/kvm_probe.h"
#include "supervisor/host_checks.h"

namespace anchorhold::cli {
namespace {

using supervisor::HostCheck;
using Verdict = HostCheck::Verdict;

const char* word(Verdict verdict) {
    switch (verdict) {
        case Verdict::kOk:
            return "ok";
        case Verdict::kSlow:
            return "slow";
        case Verdict::kRisk:
            return "risk";
        case Verdict::kMissing:
            return "missing";
        case Verdict::kUnknown:
            break;
    }
    return "unknown";
}

HostCheck check_kvm() {
    HostCheck check{"KVM", Verdict::kOk, "/dev/kvm runs 64-bit ring-0 code", "", ""};
    const machine::KvmProbe probe = machine::probe_kvm();
    if (!probe.usable) {
        check.verdict = Verdict::kSlow;
        check.found = probe.reason;
        check.matters =
            "sandboxes run in the emulated host instead, which is slow and not a security boundary";
        check.remedy =
            "use a host with hardware virtualisation (or nested virtualisation) and read-write "
            "access to /dev/kvm";
    }
    return check;
}

int doctor(const supervisor::Installation& installation, bool json) {
    std::vector<HostCheck> checks = {check_kvm()};
    for (const auto& more :
         {supervisor::check_installation(installation), supervisor::check_kernel_settings({})}) {
        checks.insert(checks.end(), more.begin(), more.end());
    }
    bool can_run = true;
    nlohmann::ordered_json report = nlohmann::ordered_json::array();
    for (const HostCheck& check : checks) {
        can_run = can_run && check.verdict != Verdict::kMissing;
        if (json) {
            report.push_back({{"name", check.name},
                              {"verdict", word(check.verdict)},
                              {"found", check.found},
                              {"matters", check.matters},
                              {"remedy", check.remedy}});
            continue;
        }
        fmt::print("{:<8} {:<22} {}\n", word(check.verdict), check.name, check.found);
        if (!check.matters.empty()) {
            fmt::print("{:<8} {:<22}   why: {}\n", "", "", check.matters);
        }
        if (!check.remedy.empty()) {
            fmt::print("{:<8} {:<22}   do:  {}\n", "", "", check.remedy);
        }
    }
    if (json) {
        const nlohmann::ordered_json whole = {{"can_run", can_run}, {"checks", report}};
        fmt::print("{}\n", whole.dump(2, ' ', true, nlohmann::json::error_handler_t::replace));
    }
    return can_run ? 0 : 1;
}

}  // namespace

void add_doctor(CommandLine& line) {
    auto json = std::make_shared<bool>(false);
    CLI::App* command = line.app.add_subcommand(
        "doctor",
        "Say whether sandboxes run here, what slows their starts, and what tenants share");
    command->footer(
        "Exit status: 0 when sandboxes can run (also in the emulated host), 1 when something is "
        "missing.");
    command->add_flag("--json", *json, "Print the checks as JSON");
    command->callback([&action = line.action, json, installation = &line.installation] {
        action = [json, installation] { return doctor(*installation, *json); };
    });
}

}  // namespace anchorhold::cli
