// The loop that every device runs over a queue, written once: take, serve, publish, look again.
#pragma once

#include <cstddef>

#include "virtio/deferred_call.h"
#include "virtio/device.h"
#include "virtio/queue.h"

namespace anchorhold::virtio {

// Chains served in one turn of the loop, so that a guest that never stops kicking leaves room for
// everybody else.
constexpr size_t kChainsPerTurn = 256;

// Hands each available chain to `serve(chain)`, which calls add_used() now or later; then
// publishes, and fails the device if the queue broke or serve() stopped it. Past kChainsPerTurn the
// rest waits for `again`, which must serve this queue.
template <typename Serve>
void serve_queue(const Activation& activation, size_t index, DescriptorChain& chain,
                 DeferredCall& again, Serve serve) {
    Queue& queue = activation.queues[index];
    size_t served = 0;
    bool more = true;
    while (more) {
        queue.disable_notifications();
        while (served < kChainsPerTurn && queue.pop(chain)) {
            serve(chain);
            ++served;
        }
        if (queue.publish()) {
            activation.interrupt->signal_used(index);
        }
        if (served >= kChainsPerTurn) {
            again.schedule();
            break;
        }
        more = queue.enable_notifications();
    }
    if (queue.broken()) {
        activation.interrupt->fail_device(queue.fault());
    }
}

}  // namespace anchorhold::virtio
