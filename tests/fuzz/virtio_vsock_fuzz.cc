// Packets of a guest without manners, and hosts that write, read and leave in between.
#include <sys/socket.h>

#include <algorithm>

#include "base/log.h"
#include "base/sys.h"
#include "ring_fuzzer.h"
#include "vsock_bench.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace anchorhold;
    using fakes::VsockBench;
    log::configure("fuzz", log::Level::kOff);
    fuzz::FuzzInput input(data, size);
    VsockBench bench({.connections = 8, .unanswered = 3, .resets = 8, .connection_buffer = 4096});
    bench.driver.start();
    std::vector<OwnFd> hosts;
    size_t given = 0;
    size_t packets = 0;
    while (!input.empty()) {
        const auto choice = input.take<uint8_t>();
        // Few ports, so that packets meet connections.
        const uint32_t port = 10 + choice / 8 % 4;
        switch (choice % 8) {
            case 0:
            case 1:
            case 2: {
                if (++packets > 100) {
                    return 0;
                }
                auto header = fakes::VsockGuest::header(
                    {.operation = static_cast<virtio::Operation>(input.take<uint8_t>() % 9),
                     .guest_port = port,
                     .host_port = choice >= 0xc0 ? 0x4000'0000 + input.take<uint8_t>() % 4 : 2000U,
                     .flags = input.take<uint8_t>() % 4U,
                     .buffer_size = input.take<uint16_t>(),
                     .forwarded = input.take<uint16_t>()});
                const std::string payload(input.take<uint16_t>() % 5000, 'x');
                const auto twist = input.take<uint8_t>();
                header.length =
                    twist < 0xf0 ? static_cast<uint32_t>(payload.size()) : input.take<uint32_t>();
                if (twist == 0xef) {
                    header.type = input.take<uint16_t>();
                }
                bench.guest.send_raw(header, payload);
                break;
            }
            case 3:
                if (given < 100) {
                    const size_t count = 1 + choice / 64;
                    given += count;
                    bench.guest.give_buffers(count, choice == 0xfb ? input.take<uint8_t>() : 512);
                }
                break;
            case 4:
                while (!bench.driver.needs_reset() && bench.guest.receive()) {
                    --given;
                }
                break;
            case 5: {
                const auto found = bench.backend.streams.find(port);
                if (found != bench.backend.streams.end()) {
                    const int fd = found->second.get();
                    const auto what = input.take<uint8_t>();
                    if (what < 0x80) {
                        VsockBench::write(fd, std::string(what * 16, 'h'));
                    } else if (what < 0xc0) {
                        VsockBench::read_all(fd);
                    } else if (what < 0xe0) {
                        ::shutdown(fd, what % 3);
                    } else {
                        bench.backend.streams.erase(found);
                    }
                }
                bench.settle();
                break;
            }
            case 6: {
                auto pair = sys::socket_pair(SOCK_STREAM);
                const std::lock_guard guard(bench.lock);
                if (pair && bench.device.connect(port, std::move(pair->first))) {
                    hosts.push_back(std::move(pair->second));
                }
                break;
            }
            default:
                if (choice < 0x40) {
                    hosts.clear();
                } else if (choice < 0x80) {
                    const std::lock_guard guard(bench.lock);
                    bench.device.reset_all();
                } else if (choice < 0xf0) {
                    bench.settle();
                } else {
                    // Takes the rings from the well-behaved driver; it is not used after that.
                    while (!input.empty()) {
                        fuzz::ring_step(bench, bench.driver, 3, input);
                    }
                }
                break;
        }
    }
    bench.settle();
    return 0;
}
