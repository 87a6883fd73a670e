// The program: descriptors in, one file out, nothing left over.
#include <fcntl.h>

#include <array>
#include <csignal>
#include <fstream>

#include "base/spawn.h"
#include "rig.h"

namespace anchorhold::vault {
namespace {

struct Started {
    Child child;
    OwnFd key;
};

Started start(std::vector<std::string> arguments, const OwnFd& source, const OwnFd& target) {
    sys::Pipe pipe = sys::pipe().value();
    SpawnRequest request;
    request.path = VAULT;
    request.arguments = {"anchorhold-vault"};
    request.arguments.insert(request.arguments.end(), arguments.begin(), arguments.end());
    request.environment = {"ANCHORHOLD_LOG=off"};
    request.descriptors = {{2, 2}, {source.get(), 3}, {target.get(), 4}, {pipe.read_end.get(), 5}};
    return {spawn(request).value(), std::move(pipe.write_end)};
}

int finish(Started run, char key) {
    // It may have ended already.
    (void)sys::write_all(run.key.get(), std::string(kKeyBytes, key));
    run.key.reset();
    const ExitStatus status = run.child.wait().value();
    EXPECT_EQ(status.signal, 0);
    return status.code;
}

std::string status_field(pid_t process, const std::string& name) {
    std::ifstream file("/proc/" + std::to_string(process) + "/status");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with(name + ":")) {
            return line.substr(line.find_last_of("\t ") + 1);
        }
    }
    return "";
}

class VaultProgram : public testing::Test {
  protected:
    // A death by the filter would be no error but a signal.
    void SetUp() override { std::signal(SIGPIPE, SIG_IGN); }
    OwnFd source = file_with(std::string(700'000, 'x'));
    OwnFd sealed = empty_file();
    OwnFd target = empty_file();
};

TEST_F(VaultProgram, encrypts_and_decrypts) {
    ASSERT_EQ(finish(start({"encrypt", "disk", "box", "3"}, source, sealed), 'k'), 0);
    ASSERT_EQ(finish(start({"decrypt", "disk", "box", "3"}, sealed, target), 'k'), 0);
    EXPECT_EQ(contents(target), contents(source));
    // The library reads what the program wrote.
    std::array<uint8_t, kKeyBytes> bytes{};
    bytes.fill('k');
    const OwnFd other = empty_file();
    EXPECT_TRUE(decrypt(sealed.get(), other.get(), Key(bytes), {FileKind::kDisk, "box", 3}));
}

TEST_F(VaultProgram, refuses_with_status_one_and_an_empty_target) {
    ASSERT_EQ(finish(start({"encrypt", "disk", "box", "3"}, source, sealed), 'k'), 0);
    EXPECT_EQ(finish(start({"decrypt", "disk", "box", "3"}, sealed, target), 'l'), 1);
    EXPECT_EQ(finish(start({"decrypt", "memory", "box", "3"}, sealed, target), 'k'), 1);
    EXPECT_EQ(finish(start({"decrypt", "disk", "box", "4"}, sealed, target), 'k'), 1);
    ASSERT_EQ(::ftruncate(sealed.get(), 400'000), 0);
    EXPECT_EQ(finish(start({"decrypt", "disk", "box", "3"}, sealed, target), 'k'), 1);
    EXPECT_EQ(contents(target), "");
}

TEST_F(VaultProgram, a_refusal_is_said_from_behind_the_filter) {
    sys::Pipe key = sys::pipe().value();
    sys::Pipe said = sys::pipe().value();
    SpawnRequest request;
    request.path = VAULT;
    request.arguments = {"anchorhold-vault", "decrypt", "disk", "box", "3"};
    request.descriptors = {
        {said.write_end.get(), 2}, {source.get(), 3}, {target.get(), 4}, {key.read_end.get(), 5}};
    Started run{spawn(request).value(), std::move(key.write_end)};
    said.write_end.reset();
    EXPECT_EQ(finish(std::move(run), 'k'), 1);
    std::array<std::byte, 200> line{};
    EXPECT_GT(sys::read_some(said.read_end.get(), line).value().value(), 0U);
}

TEST_F(VaultProgram, arguments_that_are_none_are_refused) {
    const std::vector<std::string> cases[] = {
        {},
        {"encrypt"},
        {"encrypt", "disk", "box"},
        {"encrypt", "disk", "box", "3", "4"},
        {"encrypt", "disc", "box", "3"},
        {"encrypt", "disk", "box", "-3"},
        {"encrypt", "disk", "box", ""},
        {"encrypt", "disk", "box", "18446744073709551616"},
        {"encrypt", "disk", std::string(256, 'b'), "3"},
        {"erase", "disk", "box", "3"},
    };
    for (const auto& arguments : cases) {
        EXPECT_EQ(finish(start(arguments, source, sealed), 'k'), 1);
        EXPECT_EQ(contents(sealed), "");
    }
}

TEST_F(VaultProgram, has_given_up_everything_before_it_has_the_key) {
    Started run = start({"encrypt", "disk", "box", "3"}, source, sealed);
    // It waits for the key.
    for (int i = 0; i < 10'000 && status_field(run.child.pid(), "Seccomp") != "2"; ++i) {
        ::usleep(1000);
    }
    EXPECT_EQ(status_field(run.child.pid(), "Seccomp"), "2");
    EXPECT_EQ(status_field(run.child.pid(), "NoNewPrivs"), "1");
    EXPECT_EQ(status_field(run.child.pid(), "CapEff"), "0000000000000000");
    EXPECT_EQ(finish(std::move(run), 'k'), 0);
}

}  // namespace
}  // namespace anchorhold::vault
