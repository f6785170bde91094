/* Two network namespaces, a TUN device in each, and between them a path of known delay, jitter, loss and order.
 *
 *     link LOG SEED TURN
 *
 * Makes both namespaces and both devices (each called "wire"), prints "ready PID NEAR FAR" (descriptors of the
 * namespaces, to be entered through /proc/PID/fd/), then obeys lines on standard input:
 *
 *     up                    listen to the near device; to be said once it is up
 *     path ADDRESS BITS OUT BACK JITTER LOSS_OUT LOSS_BACK FIRST_OUT FIRST_BACK REORDER HOLD DUPLICATE
 *     sync                  write the log out and answer with the counters
 *
 * A path is found by the far address, the longest prefix first. IPv4 is written as ::ffff:a.b.c.d. OUT, BACK,
 * JITTER and HOLD are microseconds; LOSS_*, REORDER and DUPLICATE are probabilities; FIRST_* is how many packets
 * to lose before any other. Jitter is uniform in [0, JITTER) and keeps the order of a direction; a reordered
 * packet is held back for HOLD more. What befalls the nth packet of an address and direction depends on SEED,
 * the address, the direction and n alone.
 *
 * While packets are under way it takes a turn every TURN µs at the soonest: each turn costs a wake-up, whatever the
 * packets in it. That makes delays up to so much longer than configured, which the log shows and does not mind.
 *
 * The link ends when standard input does, or with its parent; the namespaces end with their last process.
 *
 * LOG is a sequence of struct record. Its stamps are the kernel's: CLOCK_REALTIME at which a packet went into the
 * near device or came out of it, taken in the very call that sends or delivers it, so that nobody's scheduling
 * is in it. A packet the link lost has a record of its own, stamped when it was lost. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { OUT, BACK };                                   /* directions: near to far, far to near */
enum { SENT, RECEIVED, LOST_OUT, LOST_BACK };         /* what a record tells */
enum { LARGEST = 65536, ADDRESSES = 1 << 16, PREFIXES = 64, QUEUED = 1 << 18, AT_ONCE = 32 };
enum { FRAME = 256, BLOCK = 1 << 20, BLOCKS = 64, FRAMES = BLOCKS * (BLOCK / FRAME) };

struct record {
    uint64_t stamp;                                   /* ns */
    uint8_t kind, version, protocol, flags;           /* flags: TCP's, or the type of an ICMP message */
    uint16_t source_port, target_port;
    uint32_t sequence, acknowledged;
    uint16_t ident, icmp_sequence;                    /* ident: of an ICMP echo */
    uint16_t length, reserved;                        /* of what TCP, UDP or ICMP carries */
    uint8_t head[16];                                 /* the first bytes of it */
    uint8_t source[16], target[16];
};

struct path { double delay[2], jitter, loss[2], reorder, hold, duplicate; unsigned first[2]; };
struct prefix { uint8_t address[16]; int bits; struct path path; };
struct peer { uint8_t address[16]; int known, bits; struct path path; uint64_t packets[2], last_due[2]; };
struct packet { uint64_t due, order; int direction; unsigned length; uint8_t data[]; };

static struct prefix prefixes[PREFIXES];
static struct peer peers[ADDRESSES];
static struct packet *queue[QUEUED];
static int prefix_count, peer_count, queued, device[2], capture = -1;
static uint8_t *ring;
static unsigned next_frame;
static uint64_t seed, order;
static struct {
    uint64_t captured, capture_lost, read[2], lost[2], delivered[2], refused, overrun, late, latest;
} count;
static FILE *log_file;

static void die(const char *what) { perror(what); exit(1); }

static uint64_t now_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* ---- what a packet is */

static int parse(const uint8_t *data, unsigned held, struct record *record) {
    unsigned whole, at;
    if (held < 20) return 0;
    record->version = data[0] >> 4;
    if (record->version == 4) {
        static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
        whole = data[2] << 8 | data[3], at = (data[0] & 15) * 4, record->protocol = data[9];
        memcpy(record->source, mapped, 12), memcpy(record->source + 12, data + 12, 4);
        memcpy(record->target, mapped, 12), memcpy(record->target + 12, data + 16, 4);
        if ((data[6] & 31) || data[7]) record->protocol = 0;          /* a later fragment: it has no ports */
    } else if (record->version == 6 && held >= 40) {
        whole = 40 + (data[4] << 8 | data[5]), at = 40, record->protocol = data[6];
        memcpy(record->source, data + 8, 16), memcpy(record->target, data + 24, 16);
    } else {
        return 0;
    }
    const uint8_t *inner = data + at;
    if (at + 8 > held) return 1;
    if (record->protocol == IPPROTO_TCP && at + 20 <= held) {
        record->flags = inner[13];
        record->sequence = ntohl(*(const uint32_t *)(inner + 4));
        record->acknowledged = ntohl(*(const uint32_t *)(inner + 8));
        at += (inner[12] >> 4) * 4;
    } else if (record->protocol == IPPROTO_ICMP || record->protocol == IPPROTO_ICMPV6) {
        record->flags = inner[0];
        record->ident = inner[4] << 8 | inner[5];
        record->icmp_sequence = inner[6] << 8 | inner[7];
        at += 8;
    } else if (record->protocol == IPPROTO_UDP) {
        at += 8;
    }
    if (record->protocol == IPPROTO_TCP || record->protocol == IPPROTO_UDP) {
        record->source_port = inner[0] << 8 | inner[1];
        record->target_port = inner[2] << 8 | inner[3];
    }
    record->length = whole > at ? whole - at : 0;
    if (held > at) memcpy(record->head, data + at, held - at < 16 ? held - at : 16);
    return 1;
}

static void write_record(const uint8_t *data, unsigned held, int kind, uint64_t stamp) {
    struct record record = {.stamp = stamp, .kind = kind};
    if (parse(data, held, &record) && fwrite(&record, sizeof record, 1, log_file) != 1) die("log");
}

/* ---- what the kernel saw at the near device */

static void listen_to_near(void) {
    struct tpacket_req request = {BLOCK, BLOCKS, FRAME, FRAMES};
    struct ifreq ask = {.ifr_name = "wire"};
    if (ioctl(capture, SIOCGIFINDEX, &ask)) die("index of the near device");
    struct sockaddr_ll here = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = ask.ifr_ifindex};
    int version = TPACKET_V2;
    if (setsockopt(capture, SOL_PACKET, PACKET_VERSION, &version, sizeof version)
        || setsockopt(capture, SOL_PACKET, PACKET_RX_RING, &request, sizeof request)) die("packet ring");
    ring = mmap(0, (size_t)BLOCK * BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, capture, 0);
    if (ring == MAP_FAILED) die("mmap");
    if (bind(capture, (struct sockaddr *)&here, sizeof here)) die("bind to the near device");
    memset(&count, 0, sizeof count);                          /* what went on while the devices came up */
}

/* No need to wait for the ring: whatever goes through the near device has just woken this process anyway. */
static void drain_ring(void) {
    if (!ring) return;
    for (;;) {
        uint8_t *frame = ring + (size_t)next_frame * FRAME;
        struct tpacket2_hdr *header = (void *)frame;
        if (!(__atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER)) return;
        struct sockaddr_ll *from = (void *)(frame + TPACKET_ALIGN(sizeof *header));
        int kind = from->sll_pkttype == PACKET_OUTGOING ? SENT : RECEIVED;
        write_record(frame + header->tp_net, header->tp_snaplen, kind,
                     header->tp_sec * 1000000000ull + header->tp_nsec);
        count.captured++;
        __atomic_store_n(&header->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
        next_frame = (next_frame + 1) % FRAMES;
    }
}

/* ---- the path to an address */

static int has_prefix(const uint8_t *address, const uint8_t *prefix, int bits) {
    if (memcmp(address, prefix, bits / 8)) return 0;
    return bits % 8 == 0 || (address[bits / 8] ^ prefix[bits / 8]) >> (8 - bits % 8) == 0;
}

static uint64_t mixed(uint64_t value) {                       /* splitmix64 */
    value += 0x9e3779b97f4a7c15ull;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ull;
    value = (value ^ value >> 27) * 0x94d049bb133111ebull;
    return value ^ value >> 31;
}

static uint64_t hash(const uint8_t *address) {
    uint64_t half[2];
    memcpy(half, address, 16);
    return mixed(half[0] ^ mixed(half[1]));
}

static struct peer *peer_at(const uint8_t *address) {
    unsigned slot = hash(address) % ADDRESSES;
    while (peers[slot].known && memcmp(peers[slot].address, address, 16)) slot = (slot + 1) % ADDRESSES;
    struct peer *peer = &peers[slot];
    if (!peer->known) {
        if (++peer_count == ADDRESSES) { errno = ENOSPC; die("too many far addresses"); }
        memcpy(peer->address, address, 16);
        peer->known = 1, peer->bits = -1;
        for (int i = 0; i < prefix_count; i++)
            if (prefixes[i].bits > peer->bits && has_prefix(address, prefixes[i].address, prefixes[i].bits))
                peer->path = prefixes[i].path, peer->bits = prefixes[i].bits;
    }
    return peer;
}

static void set_path(const uint8_t *address, int bits, struct path path) {
    if (bits == 128) {
        struct peer *peer = peer_at(address);
        peer->path = path, peer->bits = 128;
        return;
    }
    int i = 0;
    while (i < prefix_count && (prefixes[i].bits != bits || memcmp(prefixes[i].address, address, 16))) i++;
    if (i == PREFIXES) { errno = ENOSPC; die("too many prefixes"); }
    if (i == prefix_count) prefix_count++;
    memcpy(prefixes[i].address, address, 16);
    prefixes[i].bits = bits, prefixes[i].path = path;
    for (int j = 0; j < ADDRESSES; j++)
        if (peers[j].known && peers[j].bits <= bits && has_prefix(peers[j].address, address, bits))
            peers[j].path = path, peers[j].bits = bits;
}

/* ---- under way: a heap, the packet due first on top */

static int before(struct packet *a, struct packet *b) {
    return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void enqueue(const uint8_t *data, unsigned length, int direction, uint64_t due) {
    if (queued == QUEUED) { count.overrun++; return; }
    struct packet *packet = malloc(sizeof *packet + length);
    if (!packet) die("malloc");
    packet->due = due, packet->order = order++, packet->direction = direction, packet->length = length;
    memcpy(packet->data, data, length);
    int at = queued++;
    for (; at && before(packet, queue[(at - 1) / 2]); at = (at - 1) / 2) queue[at] = queue[(at - 1) / 2];
    queue[at] = packet;
}

static void deliver_first(void) {
    struct packet *packet = queue[0], *last = queue[--queued];
    int at = 0;
    for (int child; (child = 2 * at + 1) < queued; at = child) {
        if (child + 1 < queued && before(queue[child + 1], queue[child])) child++;
        if (!before(queue[child], last)) break;
        queue[at] = queue[child];
    }
    queue[at] = last;
    uint64_t late = now_ns(CLOCK_MONOTONIC) - packet->due;
    if (late > count.latest) count.latest = late;
    count.late += late;
    if (write(device[!packet->direction], packet->data, packet->length) == (ssize_t)packet->length)
        count.delivered[packet->direction]++;
    else
        count.refused++;
    free(packet);
}

/* A number in [0, 1) for the draw-th question about this packet. */
static double chance(struct peer *peer, int direction, int draw) {
    uint64_t which = peer->packets[direction] * 16 + direction * 8 + draw;
    return (mixed(seed ^ hash(peer->address) ^ mixed(which)) >> 11) * 0x1p-53;
}

static void accept_packet(const uint8_t *data, unsigned length, int direction, uint64_t now) {
    struct record what = {0};
    if (!parse(data, length, &what)) { count.overrun++; return; }
    struct peer *peer = peer_at(direction == OUT ? what.target : what.source);
    struct path *path = &peer->path;
    peer->packets[direction]++;
    int first = path->first[direction] > 0;
    if (first) path->first[direction]--;
    if (first || chance(peer, direction, 0) < path->loss[direction]) {
        count.lost[direction]++;
        write_record(data, length, direction == OUT ? LOST_OUT : LOST_BACK, now_ns(CLOCK_REALTIME));
        return;
    }
    double delay_us = path->delay[direction] + chance(peer, direction, 1) * path->jitter;
    uint64_t due = now + (uint64_t)(delay_us * 1000);
    if (chance(peer, direction, 2) < path->reorder) {
        due += (uint64_t)(path->hold * 1000);
    } else {
        if (due < peer->last_due[direction]) due = peer->last_due[direction];
        peer->last_due[direction] = due;
    }
    enqueue(data, length, direction, due);
    if (chance(peer, direction, 3) < path->duplicate) enqueue(data, length, direction, due);
}

/* ---- what is asked of it */

static void sync_log(void) {
    struct tpacket_stats seen;
    socklen_t size = sizeof seen;
    drain_ring();
    if (fflush(log_file)) die("log");
    if (!getsockopt(capture, SOL_PACKET, PACKET_STATISTICS, &seen, &size)) count.capture_lost += seen.tp_drops;
    uint64_t all = count.delivered[OUT] + count.delivered[BACK];
    printf("synced captured=%lu capture_lost=%lu read_out=%lu read_back=%lu lost_out=%lu lost_back=%lu "
           "delivered_out=%lu delivered_back=%lu refused=%lu overrun=%lu queued=%d late_ns=%lu latest_ns=%lu\n",
           count.captured, count.capture_lost, count.read[OUT], count.read[BACK], count.lost[OUT], count.lost[BACK],
           count.delivered[OUT], count.delivered[BACK], count.refused, count.overrun, queued,
           all ? count.late / all : 0, count.latest);
}

static void obey(char *line) {
    char text[64];
    uint8_t address[16];
    struct path p;
    int bits;
    if (!strcmp(line, "up")) {
        listen_to_near();
        puts("listening");
    } else if (!strcmp(line, "sync")) {
        sync_log();
    } else if (sscanf(line, "path %63s %d %lf %lf %lf %lf %lf %u %u %lf %lf %lf", text, &bits, &p.delay[OUT],
                      &p.delay[BACK], &p.jitter, &p.loss[OUT], &p.loss[BACK], &p.first[OUT], &p.first[BACK],
                      &p.reorder, &p.hold, &p.duplicate) == 12 && inet_pton(AF_INET6, text, address) == 1
               && bits >= 0 && bits <= 128) {
        set_path(address, bits, p);
    } else {
        fprintf(stderr, "link: not understood: %s\n", line);
        exit(2);
    }
    fflush(stdout);
}

static int read_lines(void) {
    static char text[1 << 16];
    static size_t held;
    ssize_t got = read(0, text + held, sizeof text - held - 1);
    if (got <= 0) return got < 0 && errno == EAGAIN;
    held += got;
    text[held] = 0;
    char *line = text, *end;
    for (; (end = strchr(line, '\n')); line = end + 1) *end = 0, obey(line);
    held -= line - text;
    memmove(text, line, held);
    return 1;
}

static int make_device(int *space) {
    struct ifreq wanted = {.ifr_name = "wire", .ifr_flags = IFF_TUN | IFF_NO_PI};
    if (unshare(CLONE_NEWNET)) die("unshare");
    *space = open("/proc/thread-self/ns/net", O_RDONLY);
    int opened = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    if (*space < 0 || opened < 0 || ioctl(opened, TUNSETIFF, &wanted)) die("/dev/net/tun");
    return opened;
}

int main(int arguments, char **argument) {
    static uint8_t data[LARGEST];
    int space[2];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_TIMERSLACK, 1);
    if (arguments != 4) return 2;
    log_file = fopen(argument[1], "wb");
    seed = strtoull(argument[2], 0, 10);
    struct timespec turn = {0, atol(argument[3]) * 1000};
    if (!log_file) die(argument[1]);
    setvbuf(log_file, malloc(1 << 20), _IOFBF, 1 << 20);
    device[OUT] = make_device(&space[OUT]);
    capture = socket(AF_PACKET, SOCK_DGRAM, 0);               /* in the near namespace, where we still are */
    if (capture < 0) die("packet socket");
    device[BACK] = make_device(&space[BACK]);
    sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1});    /* where permitted */
    printf("ready %d %d %d\n", getpid(), space[OUT], space[BACK]);
    fflush(stdout);
    for (;;) {
        uint64_t now = now_ns(CLOCK_MONOTONIC);
        for (int most = AT_ONCE; most && queued && queue[0]->due <= now; most--) deliver_first();
        if (turn.tv_nsec && queued) clock_nanosleep(CLOCK_MONOTONIC, 0, &turn, 0);
        now = now_ns(CLOCK_MONOTONIC);
        uint64_t wait = queued && queue[0]->due > now ? queue[0]->due - now : 0;
        struct timespec limit = {wait / 1000000000, wait % 1000000000};
        struct pollfd polled[] = {{device[OUT], POLLIN, 0}, {device[BACK], POLLIN, 0}, {0, POLLIN, 0}};
        if (ppoll(polled, 3, queued ? &limit : 0, 0) < 0 && errno != EINTR) die("ppoll");
        now = now_ns(CLOCK_MONOTONIC);
        for (int direction = OUT; direction <= BACK; direction++) {
            ssize_t length;
            for (int most = AT_ONCE; most && polled[direction].revents; most--) {
                if ((length = read(device[direction], data, sizeof data)) <= 0) break;
                count.read[direction]++;
                accept_packet(data, length, direction, now);
            }
        }
        if (polled[2].revents && !read_lines()) break;
        drain_ring();
    }
    return 0;
}
