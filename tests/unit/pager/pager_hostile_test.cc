// Files that do not fit, and a VMM that breaks the rules: the pager says so and ends.
#include <sys/socket.h>

#include <functional>
#include <thread>

#include "pager_rig.h"

namespace anchorhold::pager {
namespace {

class HostilePager : public PagerRig {};

TEST_F(HostilePager, starts_that_do_not_fit_are_refused) {
    const std::string digests =
        snapshot::seal(snapshot::compute_digests(sparse_file(sample).get()).value());
    std::string flipped = digests;
    flipped[60] ^= 1;
    const struct {
        const char* name;
        std::function<Files()> files;
        std::string error;
    } cases[] = {
        {"digests damaged",
         [&] { return Files{.memory = sparse_file(sample), .digests = file_with(flipped)}; },
         "table of memory digests: damaged: its payload's checksum does not match"},
        {"digests of another memory",
         [&] {
             return Files{.memory = sparse_file(std::span(sample).first(5 * kPage)),
                          .digests = file_with(digests)};
         },
         "memory file: has 20480 bytes, its digests are of 1257472"},
        {"no compressed file",
         [&] {
             return Files{.memory = sparse_file(sample),
                          .form = proto::PagerStart::COMPRESSED,
                          .digests = file_with(digests)};
         },
         "compressed memory file: not a file of a snapshot"},
        {"files swapped",
         [&] { return Files{.memory = file_with(digests), .digests = sparse_file(sample)}; },
         "table of memory digests: not a file of a snapshot"},
        {"no files",
         [&] {
             return Files{.memory = std::move(sys::pipe().value().read_end),
                          .digests = file_with(digests)};
         },
         "memory file is neither a regular file nor a block device"},
    };
    for (const auto& test : cases) {
        SCOPED_TRACE(test.name);
        spawn_pager();
        start(test.files());
        EXPECT_EQ(expect_failure(proto::PagerFailed::FILES).error(), test.error);
    }
}

TEST_F(HostilePager, start_packets_that_are_none_are_refused) {
    proto::PagerStart other;
    other.set_memory_fd(77);
    other.set_vmm_fd(88);
    for (const std::string& bytes : {std::string("\xff\xff\xff"), other.SerializeAsString()}) {
        spawn_pager();
        ASSERT_TRUE(send_packet(control.get(), bytes));
        const auto event = last_event();
        EXPECT_EQ(event.failed().cause(), proto::PagerFailed::FILES);
        EXPECT_EQ(exit_code(), 1);
    }
}

TEST_F(HostilePager, requests_that_break_the_rules_are_refused) {
    const OwnFd pipe = std::move(sys::pipe().value().read_end);
    const auto sockets = sys::socket_pair(SOCK_STREAM).value();
    const OwnFd event = sys::event_fd().value();
    const OwnFd file = sparse_file(sample);
    const auto with = [&](const std::function<void(proto::PagerServe&)>& change) {
        proto::PagerServe serve = request();
        change(serve);
        return serve.SerializeAsString();
    };
    map_memory(sample.size());
    const int good = userfault.get();
    const std::string right = request().SerializeAsString();
    const std::string fds = "the VMM's request: it comes with something else than one userfaultfd";
    const struct {
        const char* name;
        std::string bytes;
        std::vector<int> fds;
        std::string error;
    } cases[] = {
        {"no message", "\xff\xff", {good}, "the VMM's request: PagerServe is not a valid message"},
        {"no descriptor", right, {}, fds},
        {"two descriptors", right, {good, good}, fds},
        {"a pipe", right, {pipe.get()}, fds},
        {"an eventfd", right, {event.get()}, fds},
        {"a file", right, {file.get()}, fds},
        {"a socket", right, {sockets.first.get()}, fds},
        {"larger pages",
         with([](auto& r) { r.set_page_bytes(2 << 20); }),
         {good},
         "the VMM's request: pages of 2097152 bytes"},
        {"a larger memory",
         with([](auto& r) { r.set_bytes(r.bytes() + kPage); }),
         {good},
         "the VMM's request: a memory of 1261568 bytes, the file has 1257472"},
        {"between pages",
         with([](auto& r) { r.set_address(4097); }),
         {good},
         "the VMM's request: no memory is at 0x1001"},
        {"at the end of all addresses",
         with([](auto& r) { r.set_address(0xffff'ffff'ffff'f000); }),
         {good},
         "the VMM's request: no memory is at 0xfffffffffffff000"},
    };
    for (const auto& test : cases) {
        SCOPED_TRACE(test.name);
        spawn_pager();
        start(sample_files());
        ASSERT_TRUE(send_packet(vmm.get(), test.bytes, test.fds));
        EXPECT_EQ(expect_failure(proto::PagerFailed::VMM).error(), test.error);
    }
}

TEST_F(HostilePager, vmm_of_a_pager_that_refused_its_files_is_told) {
    Files files = sample_files();
    files.digests = file_with("none");
    start(std::move(files));
    map_memory(sample.size());
    EXPECT_FALSE(ask(request()));
}

TEST_F(HostilePager, second_packet_ends_it) {
    start(sample_files());
    attach();
    ASSERT_TRUE(send_packet(vmm.get(), "more"));
    EXPECT_EQ(expect_failure(proto::PagerFailed::VMM).error(), "the VMM sent a second packet");
}

TEST_F(HostilePager, fault_outside_the_memory_ends_it) {
    start(sample_files());
    map_memory(sample.size() + kPage);
    proto::PagerServe serve = request();
    serve.set_bytes(sample.size());
    ASSERT_TRUE(ask(serve));
    std::thread fault([&] { (void)*const_cast<volatile std::byte*>(&mapping.bytes().back()); });
    expect_failure(proto::PagerFailed::VMM);
    userfault.reset();
    fault.join();
}

TEST_F(HostilePager, memory_that_is_not_where_it_was_said_ends_it) {
    Files files = sample_files();
    files.working_set = {.read = {{0, 1}}, .written = {}};
    start(std::move(files));
    map_memory(sample.size());
    proto::PagerServe serve = request();
    serve.set_address(kPage);
    ASSERT_TRUE(ask(serve));
    expect_failure(proto::PagerFailed::VMM);
}

TEST_F(HostilePager, vmm_that_leaves_before_it_asks_is_an_end) {
    start(sample_files());
    EXPECT_EQ(expect_end().faults(), 0U);
}

}  // namespace
}  // namespace anchorhold::pager
