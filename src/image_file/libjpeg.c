/* Calls of libjpeg-turbo that may fail, and places in it that are taken over.
 *
 * libjpeg leaves a call that fails by a function that must not return. A longjmp does that, over frames of C only: they
 * are here, and nothing else is; what is called back in Rust calls no C. libjpeg.rs, libjpeg_blocks.rs and
 * libjpeg_dct.rs declare and call these functions. Those that give an `int` give 0 for a fault, after which the codec
 * can only be freed, unless they say otherwise. */

#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

/* Whether this is a version in which the places that are taken over look as they are described here. */
enum { IS_KNOWN_VERSION = LIBJPEG_TURBO_VERSION_NUMBER >= 3000000 && LIBJPEG_TURBO_VERSION_NUMBER < 4000000 };

/* libjpeg's decoder of Huffman codes, whose place in a file is taken over and given back. No header tells of it: `is_known`
 * looks whether it is what it is taken for. */
struct huffman {
  void (*start_pass)(j_decompress_ptr reader);
  boolean (*decode)(j_decompress_ptr reader, JBLOCKROW *blocks);
  void (*others[2])(void);
  boolean has_ended;
  struct {
    size_t bits;
    int count;
  } left;
  int last_dc[MAX_COMPS_IN_SCAN];
  unsigned units_to_restart;
  void *dc_tables[NUM_HUFF_TBLS];
  void *ac_tables[NUM_HUFF_TBLS];
  void *dc_table_of[D_MAX_BLOCKS_IN_MCU];
  void *ac_table_of[D_MAX_BLOCKS_IN_MCU];
  boolean needs_dc[D_MAX_BLOCKS_IN_MCU];
  boolean needs_ac[D_MAX_BLOCKS_IN_MCU];
};

/* 17 counts of codes by their length, and their 256 symbols. */
struct mpix_table {
  const unsigned char *counts, *symbols;
};

/* How a block of a unit (MCU) is coded, and whether more than its first coefficient is wanted. */
struct mpix_block {
  struct mpix_table dc, ac;
  int needs_ac;
};

/* Where in a file a unit begins or ends: some bits, the lowest of `bits`, and the bytes behind them. */
struct mpix_place {
  const unsigned char *bytes;
  size_t bytes_left;
  uint64_t bits;
  int bits_left;
};

/* Decodes a unit, whose blocks are zeros; the first coefficient of each is not written, but its difference to that of the
 * block before. Gives 0, and leaves the place as it is, for a unit that is in any way unusual. */
typedef int (*mpix_decode)(const void *unit, struct mpix_place *place, JBLOCKROW *blocks, int *differences);

/* libjpeg's DCT of a file that is written. No header tells of it. */
struct forward {
  void (*start_pass)(j_compress_ptr writer);
  void (*make)(j_compress_ptr writer, jpeg_component_info *component, JSAMPARRAY rows, JBLOCKROW blocks, JDIMENSION row,
               JDIMENSION column, JDIMENSION count);
};

typedef void (*libjpeg_inverse)(j_decompress_ptr reader, jpeg_component_info *component, JCOEFPTR block,
                                JSAMPARRAY rows, JDIMENSION column);

/* libjpeg's DCT of a file that is read. No header tells of it. */
struct inverse {
  void (*start_pass)(j_decompress_ptr reader);
  libjpeg_inverse make[MAX_COMPONENTS];
};

/* Makes the samples of a block of a component, 8 rows that begin `stride` bytes apart. Gives 0 for a block that is in
 * any way unusual. */
typedef int (*mpix_inverse)(const void *maker, int component, JCOEFPTR block, unsigned char *samples, size_t stride);

/* Makes the coefficients of one or two blocks of a component that stand side by side, of 8 rows of samples that begin
 * `stride` bytes apart. */
typedef void (*mpix_forward)(const void *maker, int component, const unsigned char *samples, size_t stride,
                             JBLOCKROW blocks, size_t count);

struct mpix_jpeg {
  union {
    struct jpeg_common_struct any;
    struct jpeg_decompress_struct reader;
    struct jpeg_compress_struct writer;
  } codec;
  struct jpeg_error_mgr errors;
  struct jpeg_progress_mgr progress;
  struct jpeg_destination_mgr file;
  int most_scans;
  boolean (*libjpeg_decode)(j_decompress_ptr reader, JBLOCKROW *blocks);
  mpix_decode decode;
  const void *unit;
  libjpeg_inverse libjpeg_inverse;
  mpix_inverse inverse;
  mpix_forward forward;
  const void *maker;
  jmp_buf fault;
  /* The first warning, or the error that ended a call. */
  char message[JMSG_LENGTH_MAX];
};

static void keep_message(j_common_ptr codec)
{
  codec->err->format_message(codec, ((struct mpix_jpeg *)codec->client_data)->message);
}

static void leave(j_common_ptr codec)
{
  keep_message(codec);
  longjmp(((struct mpix_jpeg *)codec->client_data)->fault, 1);
}

static void count_scans(j_common_ptr codec)
{
  struct mpix_jpeg *jpeg = codec->client_data;

  if (jpeg->codec.reader.input_scan_number <= jpeg->most_scans) return;
  snprintf(jpeg->message, JMSG_LENGTH_MAX, "Progressive JPEG image has more than %d scans", jpeg->most_scans);
  longjmp(jpeg->fault, 1);
}

static void nothing(j_compress_ptr writer)
{
  (void)writer;
}

static boolean file_is_full(j_compress_ptr writer)
{
  ERREXIT(writer, JERR_BUFFER_SIZE);
  return FALSE;
}

static int create(struct mpix_jpeg *jpeg, int most_scans)
{
  if (setjmp(jpeg->fault)) return 0;
  if (most_scans) {
    jpeg_create_decompress(&jpeg->codec.reader);
    jpeg->most_scans = most_scans;
    jpeg->progress.progress_monitor = count_scans;
    jpeg->codec.any.progress = &jpeg->progress;
  } else {
    jpeg_create_compress(&jpeg->codec.writer);
  }
  jpeg->codec.any.mem->max_memory_to_use = 0;
  return 1;
}

/* A reader of files of at most so many scans, or a writer if there may be none; NULL without memory for it. */
struct mpix_jpeg *mpix_jpeg_new(int most_scans)
{
  struct mpix_jpeg *jpeg = calloc(1, sizeof(*jpeg));

  if (!jpeg) return NULL;
  jpeg->codec.any.err = jpeg_std_error(&jpeg->errors);
  jpeg->codec.any.client_data = jpeg;
  jpeg->errors.error_exit = leave;
  jpeg->errors.output_message = keep_message;
  if (create(jpeg, most_scans)) return jpeg;
  free(jpeg);
  return NULL;
}

/* Reads down to the first scan: columns, rows, and bytes in a pixel: 1 gray, 3 RGB, 4 inks, 0 unknown. */
int mpix_jpeg_read_header(struct mpix_jpeg *jpeg, const unsigned char *file, size_t length, unsigned header[3])
{
  struct jpeg_decompress_struct *reader = &jpeg->codec.reader;
  JOCTET *profile;
  unsigned profile_length;

  if (setjmp(jpeg->fault)) return 0;
  jpeg_mem_src(reader, file, length);
  jpeg_save_markers(reader, JPEG_APP0 + 2, 0xFFFF);
  jpeg_read_header(reader, TRUE);
  /* It warns of a profile in which a part is missing. */
  if (jpeg_read_icc_profile(reader, &profile, &profile_length)) free(profile);
  header[0] = reader->image_width;
  header[1] = reader->image_height;
  switch (reader->jpeg_color_space) {
  case JCS_GRAYSCALE: header[2] = 1; reader->out_color_space = JCS_GRAYSCALE; break;
  case JCS_RGB: case JCS_YCbCr: header[2] = 3; reader->out_color_space = JCS_EXT_RGB; break;
  case JCS_CMYK: case JCS_YCCK: header[2] = 4; reader->out_color_space = JCS_CMYK; break;
  default: header[2] = 0;
  }
  reader->dct_method = JDCT_ISLOW;
  reader->do_fancy_upsampling = TRUE;
  return 1;
}

/* Whether the colours of a picture are luma, and chroma for two by two pixels each (4:2:0), to be made smooth. */
static int is_in_planes(const struct jpeg_decompress_struct *reader)
{
  const jpeg_component_info *components = reader->comp_info;

  if (reader->jpeg_color_space != JCS_YCbCr || reader->num_components != 3 || reader->data_precision != 8) return 0;
  for (int i = 0; i < 3; i++) {
    int factor = i ? 1 : 2;

    if (components[i].h_samp_factor != factor || components[i].v_samp_factor != factor) return 0;
  }
  /* Of two columns of chroma libjpeg makes nothing smooth. */
  return reader->image_width > 4;
}

/* Gets ready to give rows of the picture, 1, 2, 4 or 8 times smaller; of several scans, reads all. Tells how
 * many columns and rows there are then. `in_planes`: if it is of 4:2:0 and not made smaller, what will be read is luma
 * and chroma, and else this becomes 0. */
int mpix_jpeg_start_reading(struct mpix_jpeg *jpeg, unsigned shrink, int *in_planes, unsigned size[2])
{
  struct jpeg_decompress_struct *reader = &jpeg->codec.reader;

  if (setjmp(jpeg->fault)) return 0;
  reader->scale_num = 1;
  reader->scale_denom = shrink;
  reader->raw_data_out = *in_planes = *in_planes && shrink == 1 && is_in_planes(reader);
  jpeg_start_decompress(reader);
  size[0] = reader->output_width;
  size[1] = reader->output_height;
  return 1;
}

/* Whether libjpeg is at the first unit of the only scan of a file, of Huffman codes of sequential blocks, and its decoder
 * is what it is taken for: all that is known of it from elsewhere is found in it. */
static int is_known(const struct jpeg_decompress_struct *reader)
{
  const struct huffman *huffman = (const struct huffman *)reader->entropy;

  if (!IS_KNOWN_VERSION || sizeof(huffman->left.bits) != sizeof(uint64_t)) return 0;
  if (reader->progressive_mode || reader->arith_code || jpeg_has_multiple_scans((j_decompress_ptr)reader)) return 0;
  if (reader->data_precision != 8 || reader->Ss != 0 || reader->Se != DCTSIZE2 - 1) return 0;
  if (huffman->has_ended || huffman->left.count || huffman->units_to_restart != reader->restart_interval) return 0;
  for (int i = 0; i < reader->blocks_in_MCU; i++) {
    const jpeg_component_info *component = reader->cur_comp_info[reader->MCU_membership[i]];

    if (huffman->last_dc[reader->MCU_membership[i]]) return 0;
    if (huffman->dc_table_of[i] != huffman->dc_tables[component->dc_tbl_no]) return 0;
    if (huffman->ac_table_of[i] != huffman->ac_tables[component->ac_tbl_no]) return 0;
    if (huffman->needs_dc[i] != component->component_needed) return 0;
  }
  return 1;
}

/* Tells how the blocks of each unit are coded, before the first row is read. Gives their number; 0 if libjpeg alone can
 * decode them. */
int mpix_jpeg_blocks(struct mpix_jpeg *jpeg, struct mpix_block blocks[D_MAX_BLOCKS_IN_MCU])
{
  const struct jpeg_decompress_struct *reader = &jpeg->codec.reader;
  const struct huffman *huffman = (const struct huffman *)reader->entropy;

  if (setjmp(jpeg->fault) || !is_known(reader)) return 0;
  for (int i = 0; i < reader->blocks_in_MCU; i++) {
    const jpeg_component_info *component = reader->cur_comp_info[reader->MCU_membership[i]];
    const JHUFF_TBL *dc = reader->dc_huff_tbl_ptrs[component->dc_tbl_no];
    const JHUFF_TBL *ac = reader->ac_huff_tbl_ptrs[component->ac_tbl_no];

    blocks[i] = (struct mpix_block){ { dc->bits, dc->huffval }, { ac->bits, ac->huffval }, huffman->needs_ac[i] };
  }
  return reader->blocks_in_MCU;
}

static boolean decode(j_decompress_ptr reader, JBLOCKROW *blocks)
{
  const struct mpix_jpeg *jpeg = reader->client_data;
  struct huffman *huffman = (struct huffman *)reader->entropy;
  struct jpeg_source_mgr *file = reader->src;
  struct mpix_place place = { file->next_input_byte, file->bytes_in_buffer, huffman->left.bits, huffman->left.count };
  int differences[D_MAX_BLOCKS_IN_MCU];
  int is_at_restart = reader->restart_interval && !huffman->units_to_restart;

  if (huffman->has_ended || reader->unread_marker || is_at_restart || !blocks)
    return jpeg->libjpeg_decode(reader, blocks);
  if (!jpeg->decode(jpeg->unit, &place, blocks, differences)) {
    for (int i = 0; i < reader->blocks_in_MCU; i++) memset(blocks[i], 0, sizeof(JBLOCK));
    return jpeg->libjpeg_decode(reader, blocks);
  }
  for (int i = 0; i < reader->blocks_in_MCU; i++) {
    int *last_dc = &huffman->last_dc[reader->MCU_membership[i]];

    if (!huffman->needs_dc[i]) continue;
    /* In a broken file it can grow beyond an int. */
    *last_dc = (int)((unsigned)*last_dc + (unsigned)differences[i]);
    blocks[i][0][0] = (JCOEF)*last_dc;
  }
  file->next_input_byte = place.bytes;
  file->bytes_in_buffer = place.bytes_left;
  huffman->left.bits = place.bits;
  huffman->left.count = place.bits_left;
  if (reader->restart_interval) huffman->units_to_restart--;
  return TRUE;
}

/* Has units decoded by `own` from now on, where it can. mpix_jpeg_blocks has given their blocks. */
void mpix_jpeg_decode_by(struct mpix_jpeg *jpeg, mpix_decode own, const void *unit)
{
  struct huffman *huffman = (struct huffman *)jpeg->codec.reader.entropy;

  jpeg->decode = own;
  jpeg->unit = unit;
  jpeg->libjpeg_decode = huffman->decode;
  huffman->decode = decode;
}

/* Tells the steps of the coefficients of each component, before the first planes are read. Gives their number; 0 if
 * libjpeg alone can make samples of them. */
int mpix_jpeg_steps_of_read(struct mpix_jpeg *jpeg, const UINT16 *steps[MAX_COMPONENTS])
{
  const struct jpeg_decompress_struct *reader = &jpeg->codec.reader;
  const struct inverse *inverse = (const struct inverse *)reader->idct;

  if (!IS_KNOWN_VERSION || !reader->raw_data_out) return 0;
  if (reader->data_precision != 8 || reader->dct_method != JDCT_ISLOW) return 0;
  for (int i = 0; i < reader->num_components; i++) {
    /* One way for all, as there is for blocks of full size. */
    if (!inverse->make[i] || inverse->make[i] != inverse->make[0]) return 0;
    if (!reader->comp_info[i].quant_table) return 0;
    steps[i] = reader->comp_info[i].quant_table->quantval;
  }
  return reader->num_components;
}

static void make_samples(j_decompress_ptr reader, jpeg_component_info *component, JCOEFPTR block, JSAMPARRAY rows,
                         JDIMENSION column)
{
  const struct mpix_jpeg *jpeg = reader->client_data;
  size_t stride = rows[1] - rows[0];

  if (!jpeg->inverse(jpeg->maker, component->component_index, block, rows[0] + column, stride))
    jpeg->libjpeg_inverse(reader, component, block, rows, column);
}

/* Has samples made by `own` from now on, where it can. mpix_jpeg_steps_of_read has given their steps. */
void mpix_jpeg_inverse_by(struct mpix_jpeg *jpeg, mpix_inverse own, const void *maker)
{
  struct inverse *inverse = (struct inverse *)jpeg->codec.reader.idct;

  jpeg->inverse = own;
  jpeg->maker = maker;
  jpeg->libjpeg_inverse = inverse->make[0];
  for (int i = 0; i < jpeg->codec.reader.num_components; i++) inverse->make[i] = make_samples;
}

/* Reads the next rows, which must be there. */
int mpix_jpeg_read_rows(struct mpix_jpeg *jpeg, unsigned char *rows, size_t row_length, size_t count)
{
  if (setjmp(jpeg->fault)) return 0;
  for (JSAMPROW row = rows, end = rows + count * row_length; row != end; row += row_length)
    jpeg_read_scanlines(&jpeg->codec.reader, &row, 1);
  return 1;
}

/* The rows of the planes of a row of units (MCUs): 16 of luma, of whole units, and behind them 8 of blue and 8 of red,
 * each half as long. */
struct rows {
  JSAMPROW luma[2 * DCTSIZE], blue[DCTSIZE], red[DCTSIZE];
};

static struct rows rows_of(const unsigned char *planes, size_t row_length)
{
  struct rows rows;

  for (int i = 0; i < 2 * DCTSIZE; i++) rows.luma[i] = (JSAMPROW)planes + i * row_length;
  for (int i = 0; i < DCTSIZE; i++) {
    rows.blue[i] = rows.luma[0] + 2 * DCTSIZE * row_length + i * (row_length / 2);
    rows.red[i] = rows.blue[0] + DCTSIZE * (row_length / 2) + i * (row_length / 2);
  }
  return rows;
}

/* Reads the planes of the next row of units, which must be there. Blocks beyond the picture are not written. */
int mpix_jpeg_read_planes(struct mpix_jpeg *jpeg, unsigned char *planes, size_t row_length)
{
  struct rows rows = rows_of(planes, row_length);
  JSAMPARRAY components[3] = { rows.luma, rows.blue, rows.red };

  if (setjmp(jpeg->fault)) return 0;
  jpeg_read_raw_data(&jpeg->codec.reader, components, 2 * DCTSIZE);
  return 1;
}

/* Reads what stands behind the last row. */
int mpix_jpeg_end_reading(struct mpix_jpeg *jpeg)
{
  if (setjmp(jpeg->fault)) return 0;
  jpeg_finish_decompress(&jpeg->codec.reader);
  return 1;
}

/* Gets ready to write a file of at most `room` bytes, of pixels of 1 (gray), 3 (RGB) or 4 bytes (RGB and one unused):
 * of colours 4:2:0, with the usual tables, by the accurate DCT; a restart marker behind so many rows of blocks, if any.
 * `in_planes`: of colours, what will be written is luma and chroma. */
int mpix_jpeg_start_writing(struct mpix_jpeg *jpeg, unsigned char *file, size_t room, const unsigned header[3],
                            int quality, int restart_rows, int in_planes)
{
  struct jpeg_compress_struct *writer = &jpeg->codec.writer;

  if (setjmp(jpeg->fault)) return 0;
  jpeg->file.next_output_byte = file;
  jpeg->file.free_in_buffer = room;
  jpeg->file.init_destination = jpeg->file.term_destination = nothing;
  jpeg->file.empty_output_buffer = file_is_full;
  writer->dest = &jpeg->file;
  writer->image_width = header[0];
  writer->image_height = header[1];
  writer->input_components = header[2];
  writer->in_color_space = header[2] == 1 ? JCS_GRAYSCALE : header[2] == 3 ? JCS_EXT_RGB : JCS_EXT_RGBX;
  jpeg_set_defaults(writer);
  jpeg_set_quality(writer, quality, TRUE);
  writer->dct_method = JDCT_ISLOW;
  writer->restart_in_rows = restart_rows;
  writer->raw_data_in = in_planes;
  jpeg_start_compress(writer, TRUE);
  return 1;
}

/* Tells the steps of the coefficients of each component, 1 to 255, before the first planes are written. Gives their
 * number; 0 if libjpeg alone can make them. */
int mpix_jpeg_steps_of_written(struct mpix_jpeg *jpeg, const UINT16 *steps[MAX_COMPONENTS])
{
  const struct jpeg_compress_struct *writer = &jpeg->codec.writer;

  if (!IS_KNOWN_VERSION || !writer->raw_data_in) return 0;
  if (writer->data_precision != 8 || writer->dct_method != JDCT_ISLOW) return 0;
  if (!((const struct forward *)writer->fdct)->make) return 0;
  for (int i = 0; i < writer->num_components; i++) {
    steps[i] = writer->quant_tbl_ptrs[writer->comp_info[i].quant_tbl_no]->quantval;
    for (int k = 0; k < DCTSIZE2; k++)
      if (steps[i][k] < 1 || steps[i][k] > 255) return 0;
  }
  return writer->num_components;
}

static void make_coefficients(j_compress_ptr writer, jpeg_component_info *component, JSAMPARRAY rows, JBLOCKROW blocks,
                              JDIMENSION row, JDIMENSION column, JDIMENSION count)
{
  const struct mpix_jpeg *jpeg = writer->client_data;
  const unsigned char *samples = rows[row] + column;
  size_t stride = rows[row + 1] - rows[row];

  for (JDIMENSION made = 0; made < count; made += 2) {
    size_t next = count - made < 2 ? 1 : 2;

    jpeg->forward(jpeg->maker, component->component_index, samples + made * DCTSIZE, stride, blocks + made, next);
  }
}

/* Has coefficients made by `own` from now on. mpix_jpeg_steps_of_written has given their steps. */
void mpix_jpeg_forward_by(struct mpix_jpeg *jpeg, mpix_forward own, const void *maker)
{
  jpeg->forward = own;
  jpeg->maker = maker;
  ((struct forward *)jpeg->codec.writer.fdct)->make = make_coefficients;
}

/* Writes the next rows. */
int mpix_jpeg_write_rows(struct mpix_jpeg *jpeg, const unsigned char *rows, size_t row_length, size_t count)
{
  if (setjmp(jpeg->fault)) return 0;
  for (JSAMPROW row = (JSAMPROW)rows, end = row + count * row_length; row != end; row += row_length)
    jpeg_write_scanlines(&jpeg->codec.writer, &row, 1);
  return 1;
}

/* Writes the planes of the next row of units. */
int mpix_jpeg_write_planes(struct mpix_jpeg *jpeg, const unsigned char *planes, size_t row_length)
{
  struct rows rows = rows_of(planes, row_length);
  JSAMPARRAY components[3] = { rows.luma, rows.blue, rows.red };

  if (setjmp(jpeg->fault)) return 0;
  jpeg_write_raw_data(&jpeg->codec.writer, components, 2 * DCTSIZE);
  return 1;
}

/* Ends the file; `left` are the bytes of its room that it leaves free. */
int mpix_jpeg_end_writing(struct mpix_jpeg *jpeg, size_t *left)
{
  if (setjmp(jpeg->fault)) return 0;
  jpeg_finish_compress(&jpeg->codec.writer);
  *left = jpeg->file.free_in_buffer;
  return 1;
}

long mpix_jpeg_warnings(const struct mpix_jpeg *jpeg)
{
  return jpeg->errors.num_warnings;
}

const char *mpix_jpeg_message(const struct mpix_jpeg *jpeg)
{
  return jpeg->message;
}

void mpix_jpeg_free(struct mpix_jpeg *jpeg)
{
  jpeg_destroy(&jpeg->codec.any);
  free(jpeg);
}
