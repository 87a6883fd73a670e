// Each peer as its own documentation would have it for one thread and speed.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <sstream>

#include "base/clock.h"
#include "base/log.h"
#include "base/spawn.h"
#include "base/sys.h"
#include "bench/proxy/certificates.h"
#include "bench/proxy/contender.h"
#include "bench/proxy/origin.h"

namespace anchorhold::bench {
namespace {

constexpr std::chrono::seconds kStartPatience(30);
constexpr std::chrono::milliseconds kStartPause(20);

// The peers' own syntax is full of braces; what is filled in stands between @ signs.
std::string filled(std::string text, const ProxySurroundings& at, uint16_t port) {
    const std::array<std::pair<std::string_view, std::string>, 7> words = {{
        {"@folder@", at.folder},
        {"@port@", std::to_string(port)},
        {"@origin@", std::to_string(at.origin_port)},
        {"@authority@", at.authority},
        {"@chain@", at.chain},
        {"@key@", at.key},
        {"@both@", at.chain_and_key},
    }};
    for (const auto& [word, value] : words) {
        for (size_t found = text.find(word); found != std::string::npos;
             found = text.find(word, found + value.size())) {
            text.replace(found, word.size(), value);
        }
    }
    return text;
}

constexpr const char* kNginx = R"(daemon off;
worker_processes 1;
pid @folder@/nginx.pid;
error_log @folder@/nginx.log error;
events { worker_connections 4096; }
http {
    access_log off;
    client_body_temp_path @folder@/nginx-body;
    proxy_temp_path @folder@/nginx-proxy;
    fastcgi_temp_path @folder@/nginx-fastcgi;
    uwsgi_temp_path @folder@/nginx-uwsgi;
    scgi_temp_path @folder@/nginx-scgi;
    keepalive_requests 100000000;
    upstream origin { server 127.0.0.1:@origin@; keepalive 1024; keepalive_requests 100000000; }
    server {
        listen 127.0.0.1:@port@ ssl;
        ssl_certificate @chain@;
        ssl_certificate_key @key@;
        ssl_protocols TLSv1.3 TLSv1.2;
        location / {
            proxy_pass https://origin;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header Authorization "Bearer 0123456789abcdef0123456789abcdef01234567";
            proxy_ssl_server_name on;
            proxy_ssl_name $host;
            proxy_ssl_protocols TLSv1.3 TLSv1.2;
            proxy_ssl_verify on;
            proxy_ssl_trusted_certificate @authority@;
            proxy_max_temp_file_size 0;
        }
    }
}
)";

constexpr const char* kHaproxy = R"(global
    nbthread 1
    ssl-server-verify required
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
frontend guest
    bind 127.0.0.1:@port@ ssl crt @both@ alpn http/1.1
    default_backend origin
backend origin
    http-reuse always
    http-request set-header Authorization "Bearer 0123456789abcdef0123456789abcdef01234567"
    server origin 127.0.0.1:@origin@ ssl verify required ca-file @authority@ sni req.hdr(host) alpn http/1.1
)";

struct Recipe {
    std::string_view kind;
    std::vector<std::string> programs;
    const char* configuration;  // or null
    std::vector<std::string> arguments;
};

const std::array<Recipe, 3>& recipes() {
    static const std::array<Recipe, 3> all = {{
        {"nginx",
         {"/usr/sbin/nginx", "/usr/local/sbin/nginx"},
         kNginx,
         {"-p", "@folder@", "-c", "@folder@/nginx.conf", "-e", "@folder@/nginx.log"}},
        {"haproxy",
         {"/usr/sbin/haproxy", "/usr/local/sbin/haproxy"},
         kHaproxy,
         {"-db", "-q", "-f", "@folder@/haproxy.conf"}},
        {"mitmproxy",
         {"/usr/bin/mitmdump", "/usr/local/bin/mitmdump"},
         nullptr,
         {"-q",
          "--mode",
          "reverse:https://localhost:@origin@",
          "--listen-host",
          "127.0.0.1",
          "--listen-port",
          "@port@",
          "--certs",
          "*=@both@",
          "--set",
          "confdir=@folder@/mitmproxy",
          "--set",
          "ssl_verify_upstream_trusted_ca=@authority@",
          "--set",
          "http2=false",
          "--set",
          "keep_host_header=true",
          "--set",
          "stream_large_bodies=64k",
          "--set",
          "flow_detail=0"}},
    }};
    return all;
}

class Direct final : public Contender {
  public:
    explicit Direct(ProxySurroundings at) : at_(std::move(at)) {}
    [[nodiscard]] std::string name() const override { return "no proxy"; }
    Result<OwnFd> connect(const std::string&) override {
        return connect_to_loopback(at_.origin_port);
    }
    [[nodiscard]] std::string authority() const override { return at_.authority; }
    Result<std::vector<pid_t>> processes() override { return std::vector<pid_t>(); }

  private:
    ProxySurroundings at_;
};

class Peer final : public Contender {
  public:
    Peer(std::string name, std::string authority, uint16_t port, Child child)
        : name_(std::move(name)),
          authority_(std::move(authority)),
          port_(port),
          child_(std::move(child)) {}
    ~Peer() override {
        // In good order, so that workers end with their master.
        if (child_.running() && child_.signal(SIGTERM)) {
            [[maybe_unused]] const auto ended = child_.wait();
        }
    }
    [[nodiscard]] std::string name() const override { return name_; }
    Result<OwnFd> connect(const std::string&) override { return connect_to_loopback(port_); }
    [[nodiscard]] std::string authority() const override { return authority_; }
    // The newest child is the worker; without children it is the program itself.
    Result<std::vector<pid_t>> processes() override {
        std::vector<pid_t> found;
        std::istringstream children(ANCHORHOLD_TRY(
            sys::read_file(fmt::format("/proc/{0}/task/{0}/children", child_.pid()))));
        for (pid_t pid = 0; children >> pid;) {
            found.push_back(pid);
        }
        found.push_back(child_.pid());
        return found;
    }
    Status wait_until_ready() {
        const TimePoint end = steady_clock().now() + kStartPatience;
        while (!connect_to_loopback(port_)) {
            pollfd ended{child_.pidfd(), POLLIN, 0};
            if (::poll(&ended, 1, static_cast<int>(kStartPause.count())) > 0) {
                return fail(name_ + " ended before it took connections");
            }
            if (steady_clock().now() > end) {
                return fail(name_ + " takes no connections");
            }
        }
        return {};
    }

  private:
    std::string name_;
    std::string authority_;
    uint16_t port_;
    Child child_;
};

}  // namespace

std::unique_ptr<Contender> make_direct(const ProxySurroundings& at) {
    return std::make_unique<Direct>(at);
}

Result<std::unique_ptr<Contender>> make_proxy_peer(const std::string& kind,
                                                   const ProxySurroundings& at) {
    const auto recipe = std::find_if(recipes().begin(), recipes().end(),
                                     [&](const Recipe& one) { return one.kind == kind; });
    if (recipe == recipes().end()) {
        return fail(fmt::format("--peer {}: nginx, haproxy and mitmproxy can take part", kind));
    }
    const auto program =
        std::find_if(recipe->programs.begin(), recipe->programs.end(),
                     [](const std::string& path) { return ::access(path.c_str(), X_OK) == 0; });
    if (program == recipe->programs.end()) {
        return fail(
            fmt::format("{} is not installed (looked for {})", kind, recipe->programs.front()));
    }
    // Free when it was looked for, which is as good as it gets for programs that bind themselves.
    const uint16_t port = ANCHORHOLD_TRY(listen_on_loopback()).port;
    if (recipe->configuration != nullptr) {
        ANCHORHOLD_TRY(sys::write_file(fmt::format("{}/{}.conf", at.folder, kind),
                                       filled(recipe->configuration, at, port)));
    }
    const OwnFd nothing = ANCHORHOLD_TRY(sys::open("/dev/null", O_RDWR));
    const OwnFd log = ANCHORHOLD_TRY(
        sys::open(fmt::format("{}/{}.out", at.folder, kind), O_WRONLY | O_CREAT | O_TRUNC, 0600));
    SpawnRequest request;
    request.path = *program;
    request.arguments = {*program};
    for (const std::string& argument : recipe->arguments) {
        request.arguments.push_back(filled(argument, at, port));
    }
    request.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + at.folder,
                           "LANG=C.UTF-8"};
    request.descriptors = {{nothing.get(), 0}, {log.get(), 1}, {log.get(), 2}};
    request.parent_death_signal = SIGTERM;
    auto peer = std::make_unique<Peer>(kind, at.authority, port, ANCHORHOLD_TRY(spawn(request)));
    if (const Status ready = peer->wait_until_ready(); !ready) {
        const auto said = sys::read_file(fmt::format("{}/{}.out", at.folder, kind));
        return fail(ready.error().message + ": " +
                    log::escaped(said ? std::string_view(*said) : "", 300));
    }
    return peer;
}

Result<uint64_t> processor_time(const std::vector<pid_t>& processes) {
    uint64_t sum = 0;
    for (const pid_t pid : processes) {
        clockid_t clock = 0;
        timespec used{};
        if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &used) != 0) {
            return fail(fmt::format("process {} of a contender is gone", pid));
        }
        sum += static_cast<uint64_t>(used.tv_sec) * 1'000'000'000 +
               static_cast<uint64_t>(used.tv_nsec);
    }
    return sum;
}

}  // namespace anchorhold::bench
