// Contenders take turns within each round, so that what else the host does hits all of them.
#include "bench/proxy/proxy_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "bench/private_memory.h"
#include "bench/proxy/certificates.h"
#include "bench/proxy/contender.h"
#include "bench/proxy/load.h"
#include "bench/proxy/origin.h"
#include "bench/proxy/window_contender.h"

namespace anchorhold::bench {
namespace {

constexpr size_t kMaxSamples = 2000;
constexpr unsigned kBulkConnections = 4;
constexpr double kSecond = 1e9;

class Folder {
  public:
    static Result<Folder> make() {
        char name[] = "/tmp/anchorhold-bench-XXXXXX";
        if (::mkdtemp(name) == nullptr) {
            return fail_errno("mkdtemp", name);
        }
        return Folder(name);
    }
    Folder(Folder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    Folder& operator=(Folder&&) = delete;
    ~Folder() {
        if (!path_.empty()) {
            std::error_code ignored;
            std::filesystem::remove_all(path_, ignored);
        }
    }
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    explicit Folder(std::string path) : path_(std::move(path)) {}
    std::string path_;
};

// What one contender gave in all rounds.
struct Measured {
    std::unique_ptr<Contender> contender;
    std::unique_ptr<LoadConnections> many;
    std::unique_ptr<LoadConnections> one;
    std::unique_ptr<LoadConnections> bulk;
    std::vector<uint64_t> requests_per_cpu_second;
    std::vector<uint64_t> requests_per_second;
    std::vector<uint64_t> bulk_per_cpu_second;
    std::vector<uint64_t> bulk_per_second;
    std::vector<uint64_t> loaded;
    std::vector<uint64_t> alone;
    std::map<pid_t, uint64_t> spent;
    ProxyFigures figures;
};

std::string get(const std::string& path, const std::string& host,
                const std::string& authorization) {
    return fmt::format(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: anchorhold-bench\r\nAccept: */*\r\n{}\r\n",
        path, host, authorization.empty() ? "" : "Authorization: " + authorization + "\r\n");
}

class Bench {
  public:
    Bench(const ProxyBenchRequest& request, std::vector<std::unique_ptr<Contender>> contenders)
        : request_(request) {
        for (auto& contender : contenders) {
            Measured& measured = all_.emplace_back();
            measured.figures.name = contender->name();
            measured.contender = std::move(contender);
        }
    }

    Result<std::vector<ProxyFigures>> run() {
        for (Measured& measured : all_) {
            progress("memory of " + measured.figures.name);
            ANCHORHOLD_TRY(measure_memory(measured));
        }
        ANCHORHOLD_TRY(measure_rate());
        ANCHORHOLD_TRY(measure_latency());
        ANCHORHOLD_TRY(measure_bulk());
        std::vector<ProxyFigures> figures;
        for (Measured& measured : all_) {
            figures.push_back(figures_of(measured));
        }
        return figures;
    }

  private:
    void progress(const std::string& step) const {
        if (request_.on_progress) {
            request_.on_progress(step);
        }
    }
    static std::string small_request(const Contender& contender) {
        return get("/v1/models", kBenchHost, contender.authorization());
    }
    static Result<std::unique_ptr<LoadConnections>> open(Contender& contender, size_t count,
                                                         const std::string& host,
                                                         const std::string& request) {
        LoadTarget target;
        target.connect = [&contender, host] { return contender.connect(host); };
        target.host = host;
        target.authority = contender.authority();
        auto opened = LoadConnections::open(target, count, request);
        if (!opened) {
            return fail(contender.name() + ": " + opened.error().message);
        }
        return opened;
    }
    // Runs `work` and adds what the contender's processes spent on it.
    template <typename Work>
    Result<LoadResult> metered(Measured& measured, uint64_t& processor_ns, Work work) {
        const auto processes = ANCHORHOLD_TRY(measured.contender->processes());
        const uint64_t before = ANCHORHOLD_TRY(processor_time(processes));
        std::map<pid_t, uint64_t> begun;
        for (const pid_t pid : processes) {
            begun[pid] = ANCHORHOLD_TRY(processor_time({pid}));
        }
        auto result = work();
        if (!result) {
            return fail(measured.figures.name + ": " + result.error().message);
        }
        processor_ns = ANCHORHOLD_TRY(processor_time(processes)) - before;
        for (const pid_t pid : processes) {
            measured.spent[pid] += ANCHORHOLD_TRY(processor_time({pid})) - begun[pid];
        }
        return result;
    }
    Status measure_memory(Measured& measured);
    Status measure_rate();
    Status measure_latency();
    Status measure_bulk();
    ProxyFigures figures_of(Measured& measured) const;

    const ProxyBenchRequest& request_;
    std::vector<Measured> all_;
};

Status Bench::measure_memory(Measured& measured) {
    Contender& contender = *measured.contender;
    const std::string request = small_request(contender);
    ANCHORHOLD_TRY(open(contender, 1, kBenchHost, request));  // and closed again
    const auto processes = ANCHORHOLD_TRY(contender.processes());
    if (processes.empty()) {
        return {};
    }
    const GuestMappings none;
    const uint64_t idle = ANCHORHOLD_TRY(private_bytes_of(processes.front(), none));
    const auto connections =
        ANCHORHOLD_TRY(open(contender, request_.idle_connections, kBenchHost, request));
    const uint64_t full = ANCHORHOLD_TRY(private_bytes_of(processes.front(), none));
    measured.figures.idle_bytes = idle;
    measured.figures.connection_bytes = (full - std::min(full, idle)) / request_.idle_connections;
    return {};
}

Status Bench::measure_rate() {
    const std::chrono::milliseconds time(request_.round_ms);
    for (Measured& measured : all_) {
        measured.many = ANCHORHOLD_TRY(open(*measured.contender, request_.connections, kBenchHost,
                                            small_request(*measured.contender)));
    }
    for (unsigned round = 0; round < request_.rounds; ++round) {
        for (Measured& measured : all_) {
            progress(fmt::format("round {} of {}: {}, {} connections", round + 1, request_.rounds,
                                 measured.figures.name, request_.connections));
            uint64_t processor_ns = 0;
            const LoadResult result = ANCHORHOLD_TRY(metered(measured, processor_ns, [&] {
                return measured.many->run(small_request(*measured.contender), time);
            }));
            measured.loaded.insert(measured.loaded.end(), result.latencies_ns.begin(),
                                   result.latencies_ns.end());
            const auto rate = [&](uint64_t ns) {
                return static_cast<uint64_t>(static_cast<double>(result.requests) * kSecond /
                                             static_cast<double>(ns));
            };
            measured.requests_per_second.push_back(rate(result.elapsed_ns));
            if (processor_ns > 0) {
                measured.requests_per_cpu_second.push_back(rate(processor_ns));
            }
        }
    }
    for (Measured& measured : all_) {
        measured.many.reset();
        uint64_t sum = 0;
        for (const auto& [pid, spent] : measured.spent) {
            sum += spent;
        }
        if (sum == 0) {
            continue;
        }
        for (const pid_t pid : ANCHORHOLD_TRY(measured.contender->processes())) {
            measured.figures.processor_shares +=
                fmt::format("{}{} %", measured.figures.processor_shares.empty() ? "" : " + ",
                            100 * measured.spent[pid] / sum);
        }
    }
    return {};
}

Status Bench::measure_latency() {
    const std::chrono::milliseconds time(request_.round_ms / 2);
    for (Measured& measured : all_) {
        measured.one = ANCHORHOLD_TRY(
            open(*measured.contender, 1, kBenchHost, small_request(*measured.contender)));
    }
    for (unsigned round = 0; round < request_.rounds; ++round) {
        for (Measured& measured : all_) {
            progress(fmt::format("round {} of {}: {}, one connection", round + 1, request_.rounds,
                                 measured.figures.name));
            const auto result = measured.one->run(small_request(*measured.contender), time);
            if (!result) {
                return fail(measured.figures.name + ": " + result.error().message);
            }
            measured.alone.insert(measured.alone.end(), result->latencies_ns.begin(),
                                  result->latencies_ns.end());
        }
    }
    for (Measured& measured : all_) {
        measured.one.reset();
    }
    return {};
}

Status Bench::measure_bulk() {
    for (Measured& measured : all_) {
        measured.bulk = ANCHORHOLD_TRY(
            open(*measured.contender, kBulkConnections, kBulkHost, get("/bulk/1", kBulkHost, "")));
    }
    const std::string request = get(fmt::format("/bulk/{}", request_.bulk_bytes), kBulkHost, "");
    for (unsigned round = 0; round < request_.rounds; ++round) {
        for (Measured& measured : all_) {
            progress(fmt::format("round {} of {}: {}, {} downloads of {} MiB", round + 1,
                                 request_.rounds, measured.figures.name, kBulkConnections,
                                 request_.bulk_bytes >> 20));
            uint64_t processor_ns = 0;
            const LoadResult result = ANCHORHOLD_TRY(
                metered(measured, processor_ns, [&] { return measured.bulk->run_once(request); }));
            const auto rate = [&](uint64_t ns) {
                return static_cast<uint64_t>(static_cast<double>(result.bytes) * kSecond /
                                             static_cast<double>(ns));
            };
            measured.bulk_per_second.push_back(rate(result.elapsed_ns));
            if (processor_ns > 0) {
                measured.bulk_per_cpu_second.push_back(rate(processor_ns));
            }
        }
    }
    return {};
}

ProxyFigures Bench::figures_of(Measured& measured) const {
    ProxyFigures& figures = measured.figures;
    const auto median = [](const std::vector<uint64_t>& samples) {
        const auto summary = summarise(samples);
        return summary ? std::optional(summary->p50) : std::nullopt;
    };
    figures.requests_per_cpu_second = median(measured.requests_per_cpu_second);
    figures.requests_per_second = median(measured.requests_per_second).value_or(0);
    figures.bulk_per_cpu_second = median(measured.bulk_per_cpu_second);
    figures.bulk_per_second = median(measured.bulk_per_second).value_or(0);
    figures.loaded = summarise(std::move(measured.loaded)).value_or(Summary());
    figures.one_connection = summarise(measured.alone).value_or(Summary());
    std::sort(measured.alone.begin(), measured.alone.end());
    const size_t step = measured.alone.size() / kMaxSamples + 1;
    for (size_t i = 0; i < measured.alone.size(); i += step) {
        figures.one_connection_samples.push_back(measured.alone[i]);
    }
    return std::move(figures);
}

const ProxyFigures* find(const ProxyReport& report, std::string_view name) {
    const auto found = std::find_if(report.contenders.begin(), report.contenders.end(),
                                    [&](const ProxyFigures& one) { return one.name == name; });
    return found != report.contenders.end() ? &*found : nullptr;
}

}  // namespace

Result<ProxyReport> measure_proxies(const supervisor::Installation& installation,
                                    const ProxyBenchRequest& request) {
    ::signal(SIGPIPE, SIG_IGN);
    const Folder folder = ANCHORHOLD_TRY(Folder::make());
    const BenchCertificates files = ANCHORHOLD_TRY(make_bench_certificates(folder.path()));
    const Origin origin = ANCHORHOLD_TRY(Origin::start(files));
    const ProxySurroundings at{.folder = folder.path(),
                               .origin_port = origin.port(),
                               .authority = files.authority,
                               .chain = files.chain,
                               .key = files.key,
                               .chain_and_key = files.both};
    ProxyReport report;
    report.environment = look_around("/", request.version);
    report.request = request;
    std::vector<std::unique_ptr<Contender>> contenders;
    contenders.push_back(make_direct(at));
    contenders.push_back(ANCHORHOLD_TRY(make_window(installation, at)));
    for (const std::string& peer : request.peers) {
        auto made = make_proxy_peer(peer, at);
        if (made) {
            contenders.push_back(std::move(*made));
        } else {
            report.missing.push_back(made.error().message);
        }
    }
    report.contenders = ANCHORHOLD_TRY(Bench(request, std::move(contenders)).run());
    return report;
}

std::vector<std::string> judged(const ProxyReport& report) {
    constexpr double kRate = 0.6;
    constexpr double kRateOfMitmproxy = 20;
    constexpr double kAdded = 3;
    constexpr double kBulk = 0.9;
    constexpr uint64_t kIdle = uint64_t{2} << 20;
    constexpr uint64_t kConnection = uint64_t{48} << 10;
    std::vector<std::string> lines;
    const auto line = [&lines](std::string text, bool holds) {
        lines.push_back(std::move(text) + (holds ? "" : "  falls short"));
    };
    const ProxyFigures& direct = report.contenders.front();
    const ProxyFigures& ours = report.contenders[1];
    const auto ratio = [](uint64_t left, uint64_t right) {
        return static_cast<double>(left) / static_cast<double>(std::max<uint64_t>(right, 1));
    };
    if (const ProxyFigures* nginx = find(report, "nginx")) {
        const double rate = ratio(*ours.requests_per_cpu_second, *nginx->requests_per_cpu_second);
        line(fmt::format("requests per CPU-second: {:.2f} of nginx's (at least {})", rate, kRate),
             rate >= kRate);
        const auto added = [&](const ProxyFigures& one) {
            return one.one_connection.p50 -
                   std::min(one.one_connection.p50, direct.one_connection.p50);
        };
        const double latency = ratio(added(ours), added(*nginx));
        line(fmt::format("added to the median of one connection: {:.2f} times nginx's (at most {})",
                         latency, kAdded),
             latency <= kAdded);
        const double bulk = ratio(*ours.bulk_per_cpu_second, *nginx->bulk_per_cpu_second);
        line(fmt::format("bulk bytes per CPU-second: {:.2f} of nginx's (at least {})", bulk, kBulk),
             bulk >= kBulk);
        const double bulk_rate = ratio(ours.bulk_per_second, nginx->bulk_per_second);
        line(
            fmt::format("bulk bytes per second: {:.2f} of nginx's (at least {})", bulk_rate, kBulk),
            bulk_rate >= kBulk);
    }
    if (const ProxyFigures* mitmproxy = find(report, "mitmproxy")) {
        const double rate =
            ratio(*ours.requests_per_cpu_second, *mitmproxy->requests_per_cpu_second);
        line(fmt::format("requests per CPU-second: {:.1f} times mitmproxy's (at least {})", rate,
                         kRateOfMitmproxy),
             rate >= kRateOfMitmproxy);
    }
    line(fmt::format("private memory of an idle proxy: {:.2f} MiB (at most {})",
                     static_cast<double>(*ours.idle_bytes) / (1 << 20), kIdle >> 20),
         *ours.idle_bytes <= kIdle);
    line(fmt::format("an idle connection, both legs: {:.1f} KiB (at most {})",
                     static_cast<double>(*ours.connection_bytes) / 1024, kConnection >> 10),
         *ours.connection_bytes <= kConnection);
    return lines;
}

}  // namespace anchorhold::bench
