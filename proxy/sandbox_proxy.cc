// Read the setup, build the window, lock down, serve.
#include "proxy/sandbox_proxy.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <unistd.h>

#include "base/log.h"
#include "base/socket_type.h"
#include "proto/frame.h"
#include "proto/proxy_control.pb.h"
#include "proto/vmm_control.pb.h"
#include "proxy/credentials/secret_store.h"
#include "proxy/intermediate.h"
#include "proxy/jail.h"
#include "proxy/packet_channel.h"
#include "proxy/setup_reader.h"
#include "proxy/stream.h"
#include "proxy/window.h"

namespace anchorhold::proxy {
namespace {

// More at once than any sandbox needs; what is beyond is reset.
constexpr size_t kMaxStreams = 4096;
// How long streams get to end after the VM.
constexpr std::chrono::milliseconds kLastTurn(10);
constexpr int kLastTurns = 100;

Result<Window::Parts> make_parts(ReadSetup setup, CertifiedKey intermediate, X509_STORE* trust) {
    auto policy = ANCHORHOLD_TRY(
        proto::parse<proto::ResolvedPolicy>(setup.message.policy(), "the resolved policy"));
    auto evaluator = ANCHORHOLD_TRY(policy::Evaluator::create(std::move(policy)));
    auto credentials =
        ANCHORHOLD_TRY(Credentials::create(evaluator.policy(), std::move(setup.secrets)));
    return Window::Parts{
        .sandbox = setup.message.sandbox_name(),
        .evaluator = std::move(evaluator),
        .credentials = std::move(credentials),
        .guest_tls =
            ANCHORHOLD_TRY(GuestTls::create(intermediate.certificate, std::move(intermediate.key))),
        .upstream_tls = ANCHORHOLD_TRY(UpstreamTls::create(trust, setup.message.upstream_roots())),
        .next_stream = std::max<uint64_t>(setup.message.first_stream(), 1),
        .next_request = std::max<uint64_t>(setup.message.first_request(), 1)};
}

asio::awaitable<void> accept_streams(Window& window, PacketChannel& streams) {
    while (auto packet = co_await streams.receive()) {
        const auto stream = proto::parse<proto::GuestStream>(packet->bytes, "the guest's stream");
        if (!stream || packet->fds.size() != 1 || !is_stream_socket(packet->fds[0].get())) {
            break;
        }
        if (window.open_streams < kMaxStreams) {
            asio::co_spawn(window.context, serve_stream(window, std::move(packet->fds[0])),
                           asio::detached);
        }
    }
    // The VM is gone: what still runs ends by itself, and says so.
    asio::steady_timer timer(window.context);
    for (int turns = 0; window.open_streams > 0 && turns < kLastTurns; ++turns) {
        timer.expires_after(kLastTurn);
        co_await timer.async_wait(asio::use_awaitable);
    }
    window.supervisor.leave();
    co_await window.supervisor.sent();
    window.context.stop();
}

// Says goodbye when nothing was open for a whole period.
asio::awaitable<void> leave_when_idle(Window& window, std::chrono::seconds period) {
    uint64_t seen = 0;
    asio::steady_timer timer(window.context);
    for (;;) {
        timer.expires_after(period);
        co_await timer.async_wait(asio::use_awaitable);
        if (window.open_streams == 0 && seen == window.parts.next_stream) {
            window.supervisor.leave();
            co_await window.supervisor.sent();
            window.context.stop();
        }
        seen = window.parts.next_stream;
    }
}

Status serve(ProxyDescriptors descriptors, X509_STORE* trust) {
    ANCHORHOLD_TRY(lock_memory());
    ReadSetup setup = ANCHORHOLD_TRY(read_setup(descriptors.setup.get()));
    descriptors.setup.reset();
    const std::chrono::seconds idle_exit(setup.message.idle_exit_seconds());
    CertifiedKey intermediate = ANCHORHOLD_TRY(make_intermediate(descriptors.control.get()));
    Window::Parts parts =
        ANCHORHOLD_TRY(make_parts(std::move(setup), std::move(intermediate), trust));

    asio::io_context context(1);
    DialerLink dialer(context, std::move(descriptors.dialer));
    SupervisorLink supervisor(
        context, std::move(descriptors.control),
        {.on_lost = [&] { context.stop(); },
         .on_dialer = [&](OwnFd channel) { dialer.replace(std::move(channel)); }});
    PacketChannel streams(context, std::move(descriptors.streams));
    Window window(context, std::move(parts), supervisor, dialer);

    ANCHORHOLD_TRY(install_filter());
    asio::co_spawn(context, accept_streams(window, streams), asio::detached);
    if (idle_exit.count() > 0) {
        asio::co_spawn(context, leave_when_idle(window, idle_exit), asio::detached);
    }
    context.run();
    // Streams that still run refer to all of this, and there is no order to take it apart that
    // suits them: the secrets are wiped, the rest ends with the process.
    { [[maybe_unused]] const Credentials wiped = std::move(window.parts.credentials); }
    ::_exit(0);
}

}  // namespace

int run_proxy(ProxyDescriptors descriptors, X509_STORE* trust) {
    const Status served = serve(std::move(descriptors), trust);
    if (!served) {
        log::error("{}", served.error().message);
        return 1;
    }
    return 0;
}

}  // namespace anchorhold::proxy
