// `anchorhold audit`: what a sandbox did, and whether the log of it is what was written.
#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>

#include "base/sys.h"
#include "cli/audit_show.h"
#include "cli/command.h"
#include "cli/exit_status.h"
#include "cli/run_report.h"
#include "cli/text.h"
#include "supervisor/audit/digest.h"
#include "supervisor/audit/json_text.h"
#include "supervisor/audit/log_folder.h"
#include "supervisor/audit/record_text.h"
#include "supervisor/audit/verify.h"

namespace anchorhold::cli {
namespace {

using supervisor::VerifyReport;

constexpr int kExitFindings = 1;

struct Flags {
    std::string sandbox;
    std::string filter;
    std::string since;
    std::string format = "jsonl";
    std::vector<std::string> anchors;
    std::string owner_key;
    std::string signing_key;
    std::string move_to;
    bool follow = false;
    bool json = false;
};

int finished(const Result<int>& result) {
    if (!result) {
        print_error(result.error().message);
        return kExitFailed;
    }
    return *result;
}

std::string utc_text(uint64_t time_ns) {
    std::string text;
    supervisor::TimeText().append(text, time_ns);
    return text;
}

Result<AuditShow> show_of(const Flags& flags) {
    const std::string folder = ANCHORHOLD_TRY(supervisor::default_audit_folder());
    const std::string sandbox = ANCHORHOLD_TRY(supervisor::find_log(folder, flags.sandbox));
    AuditShow show;
    show.path = supervisor::log_path(folder, sandbox);
    show.filter = ANCHORHOLD_TRY(supervisor::RecordFilter::parse(flags.filter));
    if (flags.since.empty()) {
        return show;
    }
    if (const auto ago = parse_duration(flags.since)) {
        timespec now{};
        ::clock_gettime(CLOCK_REALTIME, &now);
        const Duration then = std::chrono::seconds(now.tv_sec) - *ago;
        ANCHORHOLD_TRY(show.filter.set_since(utc_text(static_cast<uint64_t>(then.count()))));
    } else {
        ANCHORHOLD_TRY(show.filter.set_since(flags.since));
    }
    return show;
}

Result<int> run_show(const Flags& flags) {
    AuditShow show = ANCHORHOLD_TRY(show_of(flags));
    show.format = flags.json ? AuditShow::Format::jsonl : AuditShow::Format::text;
    show.until = flags.follow ? AuditShow::Until::end_of_sandbox : AuditShow::Until::end_of_file;
    return ANCHORHOLD_TRY(show_audit_log(show)) == 0 ? 0 : kExitFindings;
}

Result<int> run_export(const Flags& flags) {
    AuditShow show = ANCHORHOLD_TRY(show_of(flags));
    show.format = flags.format == "ocsf"   ? AuditShow::Format::ocsf
                  : flags.format == "otel" ? AuditShow::Format::otel
                                           : AuditShow::Format::jsonl;
    return ANCHORHOLD_TRY(show_audit_log(show)) == 0 ? 0 : kExitFindings;
}

// A line, or a file of lines.
Result<std::vector<supervisor::Anchor>> read_anchors(const std::vector<std::string>& given) {
    std::vector<supervisor::Anchor> anchors;
    for (const std::string& text : given) {
        if (const auto anchor = supervisor::parse_anchor(text)) {
            anchors.push_back(*anchor);
            continue;
        }
        std::string rest = ANCHORHOLD_TRY(sys::read_file(text));
        while (!rest.empty()) {
            const size_t end = rest.find('\n');
            const std::string line = rest.substr(0, end);
            rest.erase(0, end == std::string::npos ? rest.size() : end + 1);
            if (line.empty()) {
                continue;
            }
            auto anchor = supervisor::parse_anchor(line);
            if (!anchor) {
                return tl::unexpected(anchor.error().within(text));
            }
            anchors.push_back(std::move(*anchor));
        }
    }
    return anchors;
}

struct Verified {
    std::string folder;
    std::string sandbox;
    VerifyReport report;
    bool owner_key_here = false;
};

Result<Verified> verify(const Flags& flags) {
    Verified verified;
    verified.folder = ANCHORHOLD_TRY(supervisor::default_audit_folder());
    verified.sandbox = ANCHORHOLD_TRY(supervisor::find_log(verified.folder, flags.sandbox));
    const std::string keys = verified.folder + "/.keys";
    supervisor::VerifyOptions options;
    options.anchors = ANCHORHOLD_TRY(read_anchors(flags.anchors));
    // An anchor of another sandbox in the same file is no fault of this log.
    std::erase_if(options.anchors, [&](const supervisor::Anchor& anchor) {
        return anchor.sandbox != verified.sandbox;
    });
    const std::string signing =
        flags.signing_key.empty() ? keys + "/signing.pub" : flags.signing_key;
    if (!flags.signing_key.empty() || ::access(signing.c_str(), F_OK) == 0) {
        options.signer = ANCHORHOLD_TRY(supervisor::read_public_key(signing));
    }
    const std::string owner_path = flags.owner_key.empty() ? keys + "/owner.key" : flags.owner_key;
    verified.owner_key_here = ::access((keys + "/owner.key").c_str(), F_OK) == 0;
    std::optional<supervisor::OwnerKey> owner;
    if (!flags.owner_key.empty() || verified.owner_key_here) {
        owner = ANCHORHOLD_TRY(supervisor::OwnerKey::read(owner_path));
        options.owner = &*owner;
    }
    verified.report =
        ANCHORHOLD_TRY(supervisor::verify_log(verified.folder, verified.sandbox, options));
    if (verified.owner_key_here) {
        verified.report.unknown.push_back(
            "the owner's key is on this host: who could read it could have rewritten the log with "
            "all its MACs; `anchorhold audit owner-key --move FILE` takes it away");
    }
    return verified;
}

void print_json(const Verified& verified) {
    const VerifyReport& report = verified.report;
    nlohmann::ordered_json findings = nlohmann::ordered_json::array();
    for (const auto& finding : report.findings) {
        findings.push_back(
            {{"record", finding.record}, {"line", finding.line}, {"what", finding.what}});
    }
    const nlohmann::ordered_json whole = {{"sandbox", verified.sandbox},
                                          {"log", report.log_id},
                                          {"sound", report.findings.empty()},
                                          {"records", report.records},
                                          {"head", supervisor::to_hex(report.head)},
                                          {"checkpointed", report.checkpointed},
                                          {"anchored", report.anchored},
                                          {"macs_checked", report.macs_checked},
                                          {"findings", findings},
                                          {"notes", report.notes},
                                          {"not_known", report.unknown}};
    fmt::print("{}\n", whole.dump(2, ' ', true, nlohmann::json::error_handler_t::replace));
}

Result<int> run_verify(const Flags& flags) {
    const Verified verified = ANCHORHOLD_TRY(verify(flags));
    const VerifyReport& report = verified.report;
    if (flags.json) {
        print_json(verified);
        return report.findings.empty() ? 0 : kExitFindings;
    }
    for (const auto& finding : report.findings) {
        const std::string where = finding.line == 0 ? "" : fmt::format("line {}: ", finding.line);
        fmt::print("FOUND      {}{}\n", where, finding.what);
    }
    for (const std::string& note : report.notes) {
        fmt::print("note       {}\n", note);
    }
    for (const std::string& unknown : report.unknown) {
        fmt::print("not known  {}\n", unknown);
    }
    fmt::print("{}: {} records, {}\n", verified.sandbox, report.records,
               !report.findings.empty() ? "NOT as they were written"
               : report.macs_checked    ? "as they were written: chain, MACs and checkpoints hold"
                                        : "chain and checkpoints hold");
    return report.findings.empty() ? 0 : kExitFindings;
}

Result<int> run_anchor(const Flags& flags) {
    const Verified verified = ANCHORHOLD_TRY(verify(flags));
    const VerifyReport& report = verified.report;
    if (!report.findings.empty()) {
        print_error(
            fmt::format("the log of {} is not as it was written and gets no anchor; see "
                        "`anchorhold audit verify {}`",
                        verified.sandbox, verified.sandbox));
        return kExitFindings;
    }
    const auto keys = ANCHORHOLD_TRY(supervisor::AuditKeys::open_or_create(verified.folder));
    fmt::print("{}\n", supervisor::anchor_text(supervisor::make_anchor(
                           keys, verified.sandbox, report.log_id, report.records, report.head)));
    return 0;
}

Result<int> run_list(const Flags& flags) {
    const std::string folder = ANCHORHOLD_TRY(supervisor::default_audit_folder());
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const auto& entry : ANCHORHOLD_TRY(supervisor::list_logs(folder))) {
        const std::string changed = utc_text(entry.changed_ns);
        if (flags.json) {
            list.push_back(
                {{"sandbox", entry.sandbox}, {"bytes", entry.size}, {"changed", changed}});
        } else {
            fmt::print("{:<32} {:>10}  {}\n", entry.sandbox, supervisor::size_text(entry.size),
                       changed.substr(0, 19));
        }
    }
    if (flags.json) {
        fmt::print("{}\n", list.dump(2));
    }
    return 0;
}

Result<int> run_owner_key(const Flags& flags) {
    const std::string folder = ANCHORHOLD_TRY(supervisor::default_audit_folder());
    [[maybe_unused]] const auto made =
        ANCHORHOLD_TRY(supervisor::AuditKeys::open_or_create(folder));
    const std::string path = folder + "/.keys/owner.key";
    if (flags.move_to.empty()) {
        const bool here = ::access(path.c_str(), F_OK) == 0;
        fmt::print("{}{}\n", path, here ? "" : " (taken away)");
        return 0;
    }
    const std::string key = ANCHORHOLD_TRY(sys::read_file(path, 4096));
    const OwnFd target =
        ANCHORHOLD_TRY(sys::open(flags.move_to, O_WRONLY | O_CREAT | O_EXCL, 0600));
    ANCHORHOLD_TRY(sys::write_all(target.get(), key));
    if (::fsync(target.get()) < 0 || ::unlink(path.c_str()) < 0) {
        return fail_errno("move", path);
    }
    fmt::print("moved to {}; verify with --owner-key, and keep it where this host cannot read it\n",
               flags.move_to);
    return 0;
}

using Run = Result<int> (*)(const Flags&);

CLI::App* add(CLI::App& audit, std::function<int()>& action, const std::shared_ptr<Flags>& flags,
              const char* name, const char* what, Run run) {
    CLI::App* command = audit.add_subcommand(name, what);
    command->callback(
        [&action, flags, run] { action = [flags, run] { return finished(run(*flags)); }; });
    return command;
}

void add_sandbox(CLI::App* command, Flags& flags) {
    command
        ->add_option("sandbox", flags.sandbox,
                     "A sandbox's name, the beginning of one, or \"last\"")
        ->required();
}

void add_verify_options(CLI::App* command, Flags& flags) {
    command->add_option("--owner-key", flags.owner_key, "The owner's key, where it was taken away");
    command->add_option("--signing-key", flags.signing_key,
                        "The installation's signing.pub, kept elsewhere");
    command->add_option("--anchor", flags.anchors,
                        "An anchor line, or a file of them (may be repeated)");
}

}  // namespace

void add_audit(CommandLine& line) {
    const auto flags = std::make_shared<Flags>();
    CLI::App* audit = line.app.add_subcommand("audit", "Show and check what sandboxes did");
    audit->require_subcommand(1);
    audit->footer(
        "Exit status: 0; 1 when the log is not as it was written; 125 when it cannot be read.");
    const auto command = [&](const char* name, const char* what, Run run) {
        return add(*audit, line.action, flags, name, what, run);
    };
    CLI::App* show = command("show", "Print the events of a sandbox", run_show);
    add_sandbox(show, *flags);
    show->add_flag("-f,--follow", flags->follow, "Go on until the sandbox ends");
    show->add_flag("--json", flags->json, "Print the records as they are");
    CLI::App* exported = command("export", "Print the events for other systems", run_export);
    add_sandbox(exported, *flags);
    exported->add_option("--format", flags->format, "ocsf, otel or jsonl")
        ->check(CLI::IsMember({"ocsf", "otel", "jsonl"}));
    for (CLI::App* reader : {show, exported}) {
        reader->add_option("--filter", flags->filter,
                           "Only records with these fields: host=*.example,verdict=deny");
        reader->add_option("--since", flags->since,
                           "Only records since a time (2026-01-02T03:04, UTC) or for a duration "
                           "(10m)");
    }
    CLI::App* check = command("verify", "Say whether the log is what was written", run_verify);
    add_sandbox(check, *flags);
    add_verify_options(check, *flags);
    check->add_flag("--json", flags->json, "Print the report as JSON");
    CLI::App* anchor =
        command("anchor", "Print the log's head in a line to keep elsewhere", run_anchor);
    add_sandbox(anchor, *flags);
    add_verify_options(anchor, *flags);
    CLI::App* list = command("list", "List the sandboxes that have a log", run_list);
    list->add_flag("--json", flags->json, "Print the list as JSON");
    CLI::App* owner =
        command("owner-key", "Say where the owner's key is, or take it away", run_owner_key);
    owner->add_option("--move", flags->move_to, "Move it to this file");
}

}  // namespace anchorhold::cli
