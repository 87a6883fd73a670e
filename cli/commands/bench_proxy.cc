// `anchorhold bench proxy`: the window's cost against other TLS proxies.
#include "cli/commands/bench_proxy.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "base/sys.h"
#include "bench/proxy/report.h"
#include "cli/exit_status.h"
#include "cli/run_report.h"
#include "cli/text.h"
#include "cli/version.h"

namespace anchorhold::cli {
namespace {

struct ProxyArguments {
    bench::ProxyBenchRequest request;
    std::string bulk = "64M";
    std::string svg;
    bool json = false;
};

Status bench_proxy(const supervisor::Installation& installation, ProxyArguments arguments) {
    bench::ProxyBenchRequest& request = arguments.request;
    request.bulk_bytes = ANCHORHOLD_TRY(parse_size(arguments.bulk));
    request.version = std::string("anchorhold ") + kVersion;
    const bool watched = ::isatty(STDERR_FILENO) == 1;
    if (watched) {
        request.on_progress = [](const std::string& step) {
            fmt::print(stderr, "\r\033[K{}", step);
        };
    }
    const auto report = bench::measure_proxies(installation, request);
    if (watched) {
        fmt::print(stderr, "\r\033[K");
    }
    if (!report) {
        return tl::unexpected(report.error());
    }
    if (!arguments.svg.empty()) {
        ANCHORHOLD_TRY(sys::write_file(arguments.svg, bench::proxy_svg(*report)));
    }
    return sys::write_all(STDOUT_FILENO,
                          arguments.json ? bench::to_json(*report) : bench::table(*report));
}

}  // namespace

void add_bench_proxy(CLI::App& group, CommandLine& line) {
    auto arguments = std::make_shared<ProxyArguments>();
    bench::ProxyBenchRequest& request = arguments->request;
    request.peers = {"nginx", "haproxy", "mitmproxy"};
    CLI::App* command = group.add_subcommand(
        "proxy", "Compare the window with other TLS proxies on this host's loopback");
    command->footer(
        "HTTPS in and HTTPS out against an origin of its own: requests per CPU-second, what one "
        "connection waits, bulk rate, private memory. The window works as in `run`, with policy, "
        "a bound credential and the audit log. Peers that are not installed are left out and "
        "named.\nFigures mean something on an otherwise idle host with at least two processors.");
    command->add_option("--peer", request.peers, "nginx, haproxy or mitmproxy; may be given again")
        ->type_name("PEER")
        ->capture_default_str();
    command->add_option("--rounds", request.rounds, "Rounds of each measurement")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    command->add_option("--round-ms", request.round_ms, "Length of a round")
        ->check(CLI::Range(50, 600000))
        ->capture_default_str();
    command->add_option("--connections", request.connections, "Connections at work at once")
        ->check(CLI::Range(1, 900))
        ->capture_default_str();
    command
        ->add_option("--idle-connections", request.idle_connections,
                     "Idle connections for the memory of one")
        ->check(CLI::Range(1, 900))
        ->capture_default_str();
    command->add_option("--bulk", arguments->bulk, "Size of a bulk download")
        ->type_name("SIZE")
        ->capture_default_str();
    command->add_flag("--json", arguments->json, "Print JSON with samples instead of the table");
    command->add_option("--svg", arguments->svg, "Draw the plots into this file")
        ->type_name("FILE");
    command->callback([&action = line.action, arguments, installation = &line.installation] {
        action = [arguments, installation] {
            const Status done = bench_proxy(*installation, *arguments);
            if (!done) {
                print_error(done.error().message);
                return kExitFailed;
            }
            return 0;
        };
    });
}

}  // namespace anchorhold::cli
