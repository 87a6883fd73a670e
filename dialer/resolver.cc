// Threads that call getaddrinfo, and the queue in front of them.
#include "dialer/resolver.h"

#include <netdb.h>
#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>

namespace anchorhold::dialer {
namespace {

constexpr size_t kMaxWaiting = 1024;
constexpr size_t kMaxAddresses = 32;

}  // namespace

Resolution look_up(const std::string& name) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* first = nullptr;
    const int failed = ::getaddrinfo(name.c_str(), nullptr, &hints, &first);
    Resolution result;
    if (failed != 0) {
        result.outcome = failed == EAI_NONAME || failed == EAI_NODATA
                             ? Resolution::Outcome::no_such_name
                             : Resolution::Outcome::failed;
        result.detail = failed == EAI_SYSTEM ? errno_text(errno) : ::gai_strerror(failed);
        return result;
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(first, &::freeaddrinfo);
    for (const addrinfo* entry = first; entry != nullptr && result.addresses.size() < kMaxAddresses;
         entry = entry->ai_next) {
        if (const auto address = IpAddress::from_socket_address(entry->ai_addr)) {
            result.addresses.push_back(*address);
        }
    }
    result.outcome =
        result.addresses.empty() ? Resolution::Outcome::no_such_name : Resolution::Outcome::found;
    return result;
}

struct PooledResolver::Shared : std::enable_shared_from_this<Shared> {
    struct Question {
        Ticket ticket;
        std::string name;
    };
    struct Client {
        std::deque<Question> waiting;
        size_t running = 0;
    };

    Shared(EventLoop& its_loop, size_t thread_count, LookUp how)
        : loop(its_loop),
          look_up(std::move(how)),
          most_per_client(std::max<size_t>(1, thread_count / 2)) {}

    void work();
    // The next client after `turn` that may run one more, or end().
    std::map<uint64_t, Client>::iterator next_client();
    void answer(Ticket ticket, Resolution resolution);

    EventLoop& loop;
    const LookUp look_up;
    const size_t most_per_client;

    std::mutex mutex;  // guards what follows
    std::condition_variable changed;
    std::map<uint64_t, Client> clients;
    uint64_t turn = 0;  // the client that was served last
    size_t waiting = 0;
    bool ending = false;

    // The loop's thread only.
    Ticket next_ticket = 1;
    std::unordered_map<Ticket, Done> open;
    std::vector<std::thread> threads;
};

std::map<uint64_t, PooledResolver::Shared::Client>::iterator PooledResolver::Shared::next_client() {
    auto candidate = clients.upper_bound(turn);
    for (size_t i = 0; i < clients.size(); ++i) {
        if (candidate == clients.end()) {
            candidate = clients.begin();
        }
        if (!candidate->second.waiting.empty() && candidate->second.running < most_per_client) {
            return candidate;
        }
        ++candidate;
    }
    return clients.end();
}

void PooledResolver::Shared::work() {
    ::pthread_setname_np(::pthread_self(), "resolve");
    std::unique_lock lock(mutex);
    for (;;) {
        auto client = clients.end();
        changed.wait(lock, [&] {
            client = next_client();
            return ending || client != clients.end();
        });
        if (ending) {
            return;
        }
        turn = client->first;
        const uint64_t number = client->first;
        const Question question = std::move(client->second.waiting.front());
        client->second.waiting.pop_front();
        ++client->second.running;
        --waiting;
        lock.unlock();
        Resolution resolution = look_up(question.name);
        // The loop may outlive us or we it: what is posted holds on to what it needs.
        loop.post([self = weak_from_this(), ticket = question.ticket,
                   resolution = std::move(resolution)]() mutable {
            if (const auto shared = self.lock()) {
                shared->answer(ticket, std::move(resolution));
            }
        });
        lock.lock();
        const auto same = clients.find(number);
        if (--same->second.running == 0 && same->second.waiting.empty()) {
            clients.erase(same);
        }
        changed.notify_all();
    }
}

void PooledResolver::Shared::answer(Ticket ticket, Resolution resolution) {
    auto found = open.extract(ticket);
    if (!found.empty()) {
        found.mapped()(std::move(resolution));
    }
}

PooledResolver::PooledResolver(EventLoop& loop, size_t threads, LookUp look_up)
    : shared_(std::make_shared<Shared>(loop, threads, std::move(look_up))) {
    for (size_t i = 0; i < threads; ++i) {
        shared_->threads.emplace_back([shared = shared_.get()] { shared->work(); });
    }
}

PooledResolver::~PooledResolver() {
    {
        const std::lock_guard lock(shared_->mutex);
        shared_->ending = true;
    }
    shared_->changed.notify_all();
    for (std::thread& thread : shared_->threads) {
        thread.join();
    }
}

Resolver::Ticket PooledResolver::resolve(uint64_t client, const std::string& name, Done done) {
    const Ticket ticket = shared_->next_ticket++;
    shared_->open.emplace(ticket, std::move(done));
    {
        const std::lock_guard lock(shared_->mutex);
        if (shared_->waiting < kMaxWaiting) {
            shared_->clients[client].waiting.push_back({ticket, name});
            ++shared_->waiting;
            shared_->changed.notify_one();
            return ticket;
        }
    }
    shared_->loop.post([self = std::weak_ptr(shared_), ticket] {
        if (const auto shared = self.lock()) {
            shared->answer(ticket,
                           {Resolution::Outcome::busy, {}, "too many names wait to be resolved"});
        }
    });
    return ticket;
}

void PooledResolver::cancel(Ticket ticket) {
    shared_->open.erase(ticket);
    const std::lock_guard lock(shared_->mutex);
    for (auto entry = shared_->clients.begin(); entry != shared_->clients.end(); ++entry) {
        Shared::Client& client = entry->second;
        if (std::erase_if(client.waiting,
                          [&](const auto& question) { return question.ticket == ticket; }) == 0) {
            continue;
        }
        --shared_->waiting;
        if (client.waiting.empty() && client.running == 0) {
            shared_->clients.erase(entry);
        }
        return;
    }
}

}  // namespace anchorhold::dialer
