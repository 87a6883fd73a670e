// Construction in order, and a thread.
#include "guest-init/egress/egress.h"

#include <system_error>
#include <utility>

#include "base/log.h"
#include "guest-init/egress/local_routes.h"

namespace anchorhold::guest_init {

Result<std::unique_ptr<Egress>> Egress::start(HostConnector& host) {
    ANCHORHOLD_TRY(make_every_address_local());
    OwnFd listener = ANCHORHOLD_TRY(listen_for_captured());
    Steering steering = ANCHORHOLD_TRY(Steering::attach(listener.get()));
    auto loop = ANCHORHOLD_TRY(EventLoop::create());
    std::unique_ptr<Egress> egress(
        new Egress(std::move(loop), std::move(listener), std::move(steering), host));
    ANCHORHOLD_TRY(egress->capture_.start());
    egress->dns_ = ANCHORHOLD_TRY(DnsStub::create(
        *egress->loop_, egress->names_,
        [&notices = egress->notices_](const dns::Query& query, std::span<const uint8_t> answer) {
            notices.dns_question(query.name, query.type, answer);
        }));
    try {
        egress->thread_ = std::thread([&loop_of_thread = *egress->loop_] {
            const Status ended = loop_of_thread.run();
            if (!ended) {
                log::error("egress: {}", ended.error().message);
            }
        });
    } catch (const std::system_error& error) {
        return fail_errno(error.code().value(), "start a thread", "egress");
    }
    return egress;
}

Egress::Egress(std::unique_ptr<EventLoop> loop, OwnFd listener, Steering steering,
               HostConnector& host)
    : loop_(std::move(loop)),
      listener_(std::move(listener)),
      steering_(std::move(steering)),
      notices_(*loop_, host),
      capture_(*loop_, listener_.get(), host, names_) {}

Egress::~Egress() {
    if (thread_.joinable()) {
        loop_->post([this] { loop_->stop(); });
        thread_.join();
    }
}

void Egress::hold(std::function<void()> held) {
    loop_->post([this, held = std::move(held)] {
        capture_.hold();
        notices_.hold();
        held();
    });
}

void Egress::release() {
    loop_->post([this] {
        notices_.release();
        capture_.release();
    });
}

}  // namespace anchorhold::guest_init
