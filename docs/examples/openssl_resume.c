/* An OpenSSL program that does not draw the same bytes in two copies of its guest (docs/uniqueness.md).
 *
 *   cc -O2 openssl_resume.c -o openssl_resume -lcrypto
 *
 * Each line of input is answered with the generation and 16 random bytes. resume_start() and resume_renewed() are what
 * other programs want to copy. */
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { GENERATION_SIZE = 21 }; /* 20 digits and a newline, in every generation */

/* The guest's generation as it is now; init writes into this very page. */
static const volatile char *current;
/* As it was when this thread last had its generators renewed. */
static __thread char seen[GENERATION_SIZE];

/* Once, before the first random byte. 0 outside of an Anchorhold guest: nothing is ever renewed there. */
static int resume_start(const char *path) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    void *page = MAP_FAILED;
    if (file >= 0 && lseek(file, 0, SEEK_END) == GENERATION_SIZE) {
        page = mmap(NULL, GENERATION_SIZE, PROT_READ, MAP_SHARED, file, 0);
    }
    if (file >= 0) {
        close(file);
    }
    if (page == MAP_FAILED) {
        return 0;
    }
    current = (const volatile char *)page;
    return 1;
}

/* 1 where this guest is another one than at this thread's last call: OpenSSL was renewed, and what was drawn since then
 * must not be used. 0 where it is the same. -1 where OpenSSL has no entropy: draw nothing. About ten nanoseconds.
 *
 * RAND_poll reseeds the first generator from the kernel; the generators of all threads notice that at their next use. */
static int resume_renewed(void) {
    char now[GENERATION_SIZE];
    int i;
    if (current == NULL) {
        return 0;
    }
    for (i = 0; i < GENERATION_SIZE; ++i) {
        now[i] = current[i];
    }
    if (memcmp(now, seen, GENERATION_SIZE) == 0) {
        return 0;
    }
    memcpy(seen, now, GENERATION_SIZE);
    return RAND_poll() == 1 ? 1 : -1;
}

/* Draws first and looks afterwards: a resume between the two is seen. */
static int random_bytes(unsigned char *bytes, int size) {
    int renewed;
    do {
        if (RAND_bytes(bytes, size) != 1) {
            return 0;
        }
        renewed = resume_renewed();
    } while (renewed == 1);
    return renewed == 0;
}

int main(void) {
    const char *folder = getenv("ANCHORHOLD_RUN");
    char path[4096];
    char line[256];
    unsigned char bytes[16];
    snprintf(path, sizeof path, "%s/generation", folder != NULL ? folder : "/run/anchorhold");
    if (!resume_start(path)) {
        fprintf(stderr, "%s: not there; nothing will be renewed\n", path);
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        size_t i;
        if (!random_bytes(bytes, sizeof bytes)) {
            return 1;
        }
        printf("%.20s ", seen[0] != '\0' ? seen : "none");
        for (i = 0; i < sizeof bytes; ++i) {
            printf("%02x", bytes[i]);
        }
        puts("");
        fflush(stdout);
    }
    return 0;
}
