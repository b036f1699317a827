"""Names that cross a boundary: tf.Example features, signatures, outputs.

This module owns the words that ExampleGen writes, Transform reads, the served
model answers with and clients call. It imports nothing of ours.
"""

# tf.Example features. Each holds exactly one value; what is unknown is explicit.
IMAGE = "image"  # bytes: the encoded file, JPEG or PNG
LABEL = "label"  # bytes: one of LABELS
SUBTYPE = "subtype"  # bytes: free text; SUBTYPE_NONE for normal films
PATIENT_ID = "patient_id"  # bytes: pseudonym
SITE = "site"  # bytes
VIEW = "view"  # bytes: one of VIEWS
SEX = "sex"  # bytes: one of SEXES
AGE_YEARS = "age_years"  # int64: 0 to 120, or AGE_UNKNOWN
WIDTH_PX = "width_px"  # int64
HEIGHT_PX = "height_px"  # int64
MEAN_INTENSITY = "mean_intensity"  # float32 in [0, 1]
SOURCE_FORMAT = "source_format"  # bytes: "JPEG", "PNG" or "DICOM"
SHA256 = "sha256"  # bytes: hexadecimal digest of the file
STYLE = "style"  # bytes: one of STYLES, or UNKNOWN
LESION_MASK = "lesion_mask"  # bytes: PNG of the film's size, 255 in lesions; empty if none is drawn
# What the tags of a DICOM file say; of any other file unknown.
LATERALITY = "laterality"  # bytes: one of LATERALITIES
MODALITY = "modality"  # bytes: one of MODALITIES
BODY_PART = "body_part"  # bytes: "CHEST" or UNKNOWN
PIXEL_SPACING_MM = "pixel_spacing_mm"  # float32: between rows, or SPACING_UNKNOWN
MANUFACTURER = "manufacturer"  # bytes: a known name, OTHER_MANUFACTURER or UNKNOWN
DEVICE_MODEL = "device_model"  # bytes: pseudonym, or UNKNOWN
STUDY_DAY = "study_day"  # int64: days since the patient's first study, or STUDY_DAY_UNKNOWN

RAW_STRING_FEATURES = (
    IMAGE, LABEL, SUBTYPE, PATIENT_ID, SITE, VIEW, SEX, SOURCE_FORMAT, SHA256, STYLE,
    LESION_MASK, LATERALITY, MODALITY, BODY_PART, MANUFACTURER, DEVICE_MODEL,
)  # fmt: skip
RAW_INT_FEATURES = (AGE_YEARS, WIDTH_PX, HEIGHT_PX, STUDY_DAY)
RAW_FLOAT_FEATURES = (MEAN_INTENSITY, PIXEL_SPACING_MM)

NORMAL = "NORMAL"
PNEUMONIA = "PNEUMONIA"
LABELS = (NORMAL, PNEUMONIA)  # the index in this tuple is the class index
UNCERTAIN = "UNCERTAIN"  # label of an answer, never of a film; only with train.selective

UNKNOWN = "unknown"  # explicit value of a string feature nobody knows
SUBTYPE_NONE = "none"
BACTERIA = "bacteria"
VIRUS = "virus"
SUBTYPES = (SUBTYPE_NONE, BACTERIA, VIRUS)  # class index of the task `subtype`
AGE_UNKNOWN = -1
PA = "PA"
AP = "AP"
VIEWS = (PA, AP, UNKNOWN)
MALE = "M"
FEMALE = "F"
OTHER = "O"
SEXES = (MALE, FEMALE, OTHER, UNKNOWN)
LATERALITIES = ("L", "R", "B", UNKNOWN)
MODALITIES = ("CR", "DX", "RG", "OT", UNKNOWN)
OTHER_MANUFACTURER = "other"
SPACING_UNKNOWN = -1.0
STUDY_DAY_UNKNOWN = -1
# How a film was taken, as far as it shows around the lungs; numbered anew in each run.
STYLES = ("1", "2", "3", "4", "5", "6", "7", "8")


def classes_of(task: str) -> tuple[str, ...]:
    """Returns the classes that a task tells apart, in the order of their indices."""
    return LABELS if task == "binary" else SUBTYPES


TRAIN = "train"
EVAL = "eval"
TEST = "test"
SPLITS = (TRAIN, EVAL, TEST)


def transformed_name(feature: str) -> str:
    """Returns the name a raw feature carries after Transform."""
    return f"{feature}_xf"


# Features that exist only after Transform.
IMAGE_XF = transformed_name(IMAGE)  # bytes: height * width uint8 pixels, row-major
LABEL_XF = transformed_name(LABEL)  # int64: index into LABELS
SUBTYPE_XF = transformed_name(SUBTYPE)  # int64: index into SUBTYPES, -1 for any other
QUALITY_XF = "quality_xf"  # bytes: one of QUALITIES
LUNGS_XF = "lungs_xf"  # bytes: LUNGS_SIDE_PX^2 * 2 uint8 shares of 255, row-major
SHA256_XF = transformed_name(SHA256)  # int64: hash, of models.training_films
PATIENT_ID_XF = transformed_name(PATIENT_ID)  # int64: hash, of models.training_films
SITE_XF = transformed_name(SITE)  # bytes, as it is
VIEW_XF = transformed_name(VIEW)  # bytes, as it is
SEX_XF = transformed_name(SEX)  # bytes, as it is
STYLE_XF = transformed_name(STYLE)  # bytes, as it is
PIXEL_MEAN_XF = "pixel_mean_xf"  # float32, in units of pixel / 255
PIXEL_STDDEV_XF = "pixel_stddev_xf"  # float32, in units of pixel / 255
LESION_MASK_XF = transformed_name(LESION_MASK)  # bytes: as IMAGE_XF, shares of 255, or empty
CLINICAL_XF = "clinical_xf"  # float32 of models.clinical, only with network.clinical
AGE_BAND = "age_band"  # bytes: one of AGE_BANDS

LUNGS_SIDE_PX = 32  # of the lung fields that training gets

AGE_BANDS = ("0-4", "5-17", "18-39", "40-64", "65+", UNKNOWN)
AGE_BAND_STARTS_YEARS = (5, 18, 40, 65)  # first age of every band but the first

# What films of a group share, and where Transform keeps it for training.
GROUPS = {SITE: SITE_XF, VIEW: VIEW_XF, SEX: SEX_XF, STYLE: STYLE_XF, AGE_BAND: AGE_BAND}

# Dimensions that metrics are sliced by, beside all films.
SLICES = (SUBTYPE, VIEW, SEX, AGE_BAND, SITE, STYLE)

# Signatures of the served model and the names of their inputs and outputs.
SERVING_DEFAULT = "serving_default"
PREDICT_IMAGES = "predict_images"
EXPLAIN_IMAGES = "explain_images"
TRANSFORM_FEATURES = "transform_features"
SIGNATURES = (SERVING_DEFAULT, PREDICT_IMAGES, EXPLAIN_IMAGES, TRANSFORM_FEATURES)

EXAMPLES = "examples"  # string [batch], serialised tf.Example
IMAGE_BYTES = "image_bytes"  # string [batch], encoded JPEG or PNG

PROBABILITY = "probability"  # float32 [batch], calibrated P(pneumonia)
PREDICTED_LABEL = "label"  # string [batch], at the operating point; UNCERTAIN beside it
FORCED_LABEL = "forced_label"  # string [batch], never UNCERTAIN; only with train.selective
CLASS_PROBABILITIES = "class_probabilities"  # float32 [batch, classes]
QUALITY = "quality"  # string [batch], one of QUALITIES
OUT_OF_DISTRIBUTION = "out_of_distribution"  # float32 [batch], above 1: unlike the train films
# Of the whole film, squashed to a square, whatever part of it the network is shown.
HEATMAP = "heatmap"  # float32 [batch, height, width] in [0, 1]
OVERLAY_BYTES = "overlay_bytes"  # string [batch], PNG
BOXES = "boxes"  # float32 [batch, MAX_BOXES, 4]: top, left, bottom, right, as shares of the sides
BOX_SCORES = "box_scores"  # float32 [batch, MAX_BOXES], probability times the largest heat inside
# float32 [batch, 2], probability times the hot share of the lung on the picture's left, right
LUNG_OPACITY = "lung_opacity"
LESIONS = "lesions"  # float32 [batch, height, width] in [0, 1]; only with network.segmentation

MAX_BOXES = 5  # of a film; rows of boxes that are left over are NaN

# Whether a picture was judged. Where it was not, its label is empty, its overlay too, and its
# numbers are NaN.
QUALITY_OK = "ok"
TOO_LARGE = "too large"  # a side is above data.max_side_px
TOO_SMALL = "too small"  # a side is below data.min_side_px
BLANK = "blank"  # hardly a pixel differs from the others, or there are no grey levels
TRANSPARENT = "transparent"  # what a person sees depends on what lies behind it
INCOMPLETE = "incomplete"  # a part of the picture was lost on its way
NO_LUNGS = "no lungs found"  # where preprocessing.lungs looks for two lung fields
UNDECODABLE = "not decodable"  # no JPEG or PNG, damaged, or of a kind that is not read
QUALITIES = (
    QUALITY_OK, TOO_LARGE, TOO_SMALL, BLANK, TRANSPARENT, INCOMPLETE, NO_LUNGS, UNDECODABLE,
)  # fmt: skip

MODEL_NAME = "cxr_pneumonia"
SAVED_MODEL = "saved_model.pb"  # the file that makes a folder a model
