/* Structures as the kernel has them, filled in so that commands have something to
   show: the image is linked, never run. */
#define NULL ((void *)0)
typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long u64;
typedef struct { long counter; } atomic_long_t;
typedef struct { int counter; } atomic_t;
struct list_head { struct list_head *next, *prev; };

/* The log: four descriptors, the oldest used again; texts of 8 bytes and more behind a number of 8 bytes. */
struct prb_data_blk_lpos { unsigned long begin, next; };
struct printk_info { u64 seq, ts_nsec; u16 text_len; u8 facility; u8 flags : 5; u8 level : 3; u32 caller_id; };
struct prb_desc { atomic_long_t state_var; struct prb_data_blk_lpos text_blk_lpos; };
struct prb_desc_ring { unsigned int count_bits; struct prb_desc *descs; struct printk_info *infos; atomic_long_t head_id, tail_id; };
struct prb_data_ring { unsigned int size_bits; char *data; atomic_long_t head_lpos, tail_lpos; };
struct printk_ringbuffer { struct prb_desc_ring desc_ring; struct prb_data_ring text_data_ring; };
#define FINAL (2UL << 62)
static char text[64] = "wrapped here\0\0\0\0........one\n    ........two\nlines.......";
static struct prb_desc descs[4] = {
	{ { FINAL | 4 }, { 56, 64 + 16 } },  /* did not fit before the end: lies at 0 */
	{ { FINAL | 5 }, { 3, 3 } },         /* has no text */
	{ { 3UL << 62 | 2 }, { 16, 32 } },   /* may be used again */
	{ { FINAL | 3 }, { 32, 56 } },
};
static struct printk_info infos[4] = {
	{ 4, 2000000000UL, 4, 0, 0, 6 }, { 5, 3000000123456UL, 0, 0, 0, 4 }, { 2, 0, 4, 0, 0, 6 }, { 3, 1234567000UL, 9, 0, 0, 3 },
};
static struct printk_ringbuffer ring = { { 2, descs, infos, { 5 }, { 3 } }, { 6, text, { 80 }, { 32 } } };
struct printk_ringbuffer *prb = &ring;

/* A tree by index: two levels of nodes. */
struct xarray { int xa_lock; unsigned xa_flags; void *xa_head; };
struct xa_node { unsigned char shift, offset, count, nr_values; struct xa_node *parent; struct xarray *array; void *slots[64]; };
int one, two, far;
static struct xa_node low = { .slots = { [1] = &one, [63] = &two } }, high = { .slots = { [2] = &far } };
static struct xa_node top = { .shift = 6, .slots = { (char *)&low + 2, (char *)&high + 2 } };
struct xarray tree = { 0, 0, (char *)&top + 2 }, single = { 0, 0, &one }, empty;

/* A tree of ranges: a leaf below a node. */
struct maple_range_64 { void *parent; unsigned long pivot[15]; void *slot[16]; };
struct maple_arange_64 { void *parent; unsigned long pivot[9]; void *slot[10]; unsigned long gap[10]; };
struct maple_node { union { struct maple_range_64 mr64; struct maple_arange_64 ma64; void *slot[31]; }; } __attribute__((aligned(256)));
struct maple_tree { int lock; unsigned ma_flags; void *ma_root; };
static struct maple_node leaf1 = { .mr64 = { .pivot = { 0, 4, 5, 9 }, .slot = { &one, NULL, &two, NULL } } };
static struct maple_node leaf2 = { .mr64 = { .pivot = { 19, 20 }, .slot = { NULL, &far } } };
static struct maple_node above = { .ma64 = { .pivot = { 9 }, .slot = { (char *)&leaf1 + (1 << 3) + 4, (char *)&leaf2 + (1 << 3) + 4 } } };
struct maple_tree ranges = { 0, 0, (char *)&above + (3 << 3) + 6 };

/* Modules: one is used by another. */
struct module_use { struct list_head source_list, target_list; struct module *source, *target; };
struct module_layout { void *base; unsigned int size, text_size; };
struct module { unsigned int state; struct list_head list; char name[56]; int (*init)(void); void (*exit)(void); atomic_t refcnt;
	struct module_layout core_layout, init_layout; struct list_head source_list, target_list; };
static void leave(void) {}
static int enter(void) { return 0; }
extern struct list_head modules;
static struct module user, used;
static struct module_use use = { { &used.source_list, &used.source_list }, { &user.target_list, &user.target_list }, &user, &used };
static struct module user = { 0, { &used.list, &modules }, "user", enter, leave, { 1 }, { (void *)0x1000, 100, 0 }, { NULL, 0, 0 },
	{ &user.source_list, &user.source_list }, { &use.target_list, &use.target_list } };
static struct module used = { 0, { &modules, &user.list }, "used", enter, NULL, { 2 }, { (void *)0x2000, 200, 0 }, { (void *)0x3000, 50, 0 },
	{ &use.source_list, &use.source_list }, { &used.target_list, &used.target_list } };
struct list_head modules = { &user.list, &used.list };

int _start(void) { return 0; }
