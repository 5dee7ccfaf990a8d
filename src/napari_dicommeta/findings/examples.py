"""An example of every kind of finding: what files hold, and what the finding then says about them."""

from __future__ import annotations

__all__ = ["EXAMPLES"]

EXAMPLES: dict[str, tuple[str, str]] = {
    # files
    "damaged": (
        "The last 100 of 384 bytes of an image are missing",
        "the pixel data is cut off: 284 of 384 bytes are present",
    ),
    "unreadable": ("Beside the images lie a README and a LICENSE", "2 other files in the folder are not DICOM"),
    "archives": ("Beside the images lies a 7z archive", "1 archive was not opened"),
    "refused": (
        "RescaleSlope 1,5 with a RescaleIntercept of -1024",
        "a Rescale Slope of '1,5' with an Intercept of '-1024' is not a valid rescale",
    ),
    "series-failed": ("A series that this program fails on", "1 series could not be checked"),
    "no-pixels": ("A structure set among the images", "RTSTRUCT"),
    "meta-contradicts": (
        "Another UID before the data set than in it, as after careless de-identification",
        "MediaStorageSOPInstanceUID is not SOPInstanceUID",
    ),
    "numbers-left-out": ("A series whose InstanceNumbers run from 32 to 71", "the first number is above 1"),
    "syntax-missing": ("A data set that begins without file meta information", "no transfer syntax"),
    "transfer-syntaxes": (
        "Nine copies of MR images, encoded in several ways: implicit, big endian, JPEG lossless, RLE, …",
        "Images are encoded in 7 transfer syntaxes",
    ),
    "spellings": ("RescaleSlope 1 in two files, 1.0 in two", "RescaleSlope: 1 value spelled in several ways, 2 for 1"),
    "suspect-value": (
        "PixelPaddingValue with the two characters '0 ' as its bytes, which as a number are 8240",
        "PixelPaddingValue: the bytes are text in a number field",
    ),
    "terms-undefined": ("PatientPosition SSS in two files", "PatientPosition SSS"),
    "suspect-text": ("InstanceNumber 1.5", "1 tag has impossible values: a fraction in an integer string"),
    "sign-mismatch": ("PixelPaddingValue 63536 as US where the pixels are signed", "-2000 as US 63536"),
    "absent-in-part": ("KVP 120 in two files, absent in two", "KVP absent"),
    "charset-undefined": ("SpecificCharacterSet ISO-IR 100 instead of ISO_IR 100", "ISO-IR 100"),
    "charset-contradicts": (
        "Manufacturer 上海医疗 in GBK, with SpecificCharacterSet ISO_IR 100",
        "The bytes of 1 tag are text in GB18030, which the files do not state",
    ),
    "pixels-cut": (
        "A JPEG-LS file without its last 8 bytes",
        "Compressed pixel data does not reach its end, in 1 volume",
    ),
    "pixels-longer": (
        "16 × 12 pixels of 16 bits, and 768 bytes of pixel data instead of 384",
        "Pixel data is longer than Rows, Columns and the number of bits explain, in 1 volume",
    ),
    "pixels-assumed": (
        "PixelRepresentation is absent",
        "Pixel Representation is absent: samples are taken as unsigned",
    ),
    # identity
    "identifying": ("PatientID P1 in all files, PatientName Doe^Jane in two", "PatientName"),
    "burned-in": ("BurnedInAnnotation YES in two of four files", "BurnedInAnnotation YES"),
    "series-studies": ("One SeriesInstanceUID, two StudyInstanceUIDs", "in 1 series"),
    "series-modalities": ("One SeriesInstanceUID, Modality CT in two files and MR in two", "in 1 series"),
    "series-numbers": ("One SeriesInstanceUID, SeriesNumber 3 in two files and 4 in two", "in 1 series"),
    "series-frames": ("One SeriesInstanceUID, two FrameOfReferenceUIDs", "in 1 series"),
    "study-patients": ("One StudyInstanceUID, PatientID P1 in two files and P2 in two", "in 1 study"),
    "patient-contradicts": (
        "PatientSex M in two files, F in two, all of one PatientID",
        "1 Patient ID with several sexes",
    ),
    "study-dates": ("One StudyInstanceUID, StudyDate 20200101 in two files and 20210101 in two", "in 1 study"),
    "date-order": ("StudyDate 20200110, SeriesDate 20200109", "SeriesDate before StudyDate"),
    "dates-invalid": ("StudyDate 20201340", "1 tag holds dates, times or ages that are none"),
    "ages": ("PatientAge 050Y, born on 19700701, StudyDate 20160101", "more than a year apart"),
    "image-twice": ("A file and its copy under another name", "1 SOP Instance UID in several files"),
    "same-pixels": (
        "A series sent twice, with new UIDs the second time",
        "2 series hold the same pixels under different UIDs",
    ),
    "enhanced-mixed": (
        "An Enhanced CT among three slices in files of their own",
        "CT: 1 enhanced file among 3 single-frame images",
    ),
    "uid-reused": ("One SOPInstanceUID in four different slices", "1 SOP Instance UID in several files"),
    "uids-missing": ("An empty SeriesInstanceUID", "SeriesInstanceUID absent or empty"),
    "references-missing": (
        "A structure set whose images are in another folder",
        "RTSTRUCT: all of the files are missing",
    ),
    "frames-missing": (
        "A structure set with FrameOfReferenceUID 1.2.4, images with 1.2.3",
        "Structure sets or doses lie in a frame of reference that no image has",
    ),
    "one-acquisition": (
        "Two series of one AcquisitionNumber, at the same positions, with the kernels B31f and B70f",
        "1 acquisition was reconstructed several times, into 2 series",
    ),
    # what is mixed
    "scanners": ("SoftwareVersions A in one series, B in the other", "CT: 2 software versions in 2 series"),
    "scanner-unstated": ("Thirty CT images without Manufacturer", "CT: no image states a maker or a model"),
    "field-in-gauss": ("MagneticFieldStrength 15000", "15000"),
    "protocols-vary": (
        "EchoTime 90 and 95 in series of one protocol",
        "MR: 1 setting varies between series of one protocol",
    ),
    "protocol-outliers": (
        "FlipAngle 15 in one of many series of a protocol, 9 in the others",
        "FlipAngle 15, usually 9",
    ),
    "kernels": ("ConvolutionKernel B31f in one series, B70f in the other", "CT images have 2 convolution kernels"),
    "thicknesses": ("SliceThickness 2.5 in one series, 2.48 in the other", "CT images have 2 slice thicknesses"),
    "kvp-zero": ("KVP 0", "KVP 0"),
    "modality-unknown": ("Modality XX", "XX"),
    "derived": (
        "ImageType ORIGINAL\\PRIMARY\\AXIAL in one series, DERIVED\\SECONDARY\\AXIAL\\MPR in the other",
        "CT: 2 derived or converted images among 2 original images",
    ),
    "localizers": (
        "ImageType ORIGINAL\\PRIMARY\\LOCALIZER in one series, ORIGINAL\\PRIMARY\\AXIAL in the other",
        "2 localizers are among the images",
    ),
    "image-type": ("ImageType 'ORIGINAL PRIMARY', with a space instead of a backslash", "ORIGINAL PRIMARY"),
    "contrast-in-part": (
        "ContrastBolusAgent 'Agent 300' in one series, 'w/o contrast' in the other",
        "CT: 1 series states a contrast agent, 1 does not",
    ),
    "patient-positions": (
        "PatientPosition HFS in one series, HFP in the other",
        "CT: patients lie in 2 positions, HFP, HFS",
    ),
    "sides": ("ImageLaterality L in one series, R in the other", "CT: images of both sides of the body are mixed"),
    "views": ("ViewPosition PA in one series, AP in the other", "CR: images of 2 views are mixed, AP, PA"),
    "body-parts": (
        "BodyPartExamined CHEST in one series, HEAD in the other",
        "CT: images of 2 body parts are mixed",
    ),
    "overlays": ("OverlayRows (6000,0010) 16 in two of four files", "2 images have overlays"),
    "no-ct-values": ("A screen capture with Modality CT", "MONOCHROME2 secondary capture"),
    "color": ("PhotometricInterpretation RGB", "RGB"),
    # values
    "rescale-unspecified": ("RescaleType US in CT", "US"),
    "rescale-type": (
        "RescaleType HU in two slices of a series, US in two",
        "The unit of the values is uncertain, in 1 volume",
    ),
    "rescale-type-missing": ("No RescaleType in CT", "none"),
    "rescale-in-part": ("No RescaleSlope in one of four slices", "without"),
    "rescale-missing": ("Neither RescaleSlope nor RescaleIntercept in CT", "without"),
    "rescale-in-series": (
        "RescaleIntercept -1024 in two slices of a series, -1000 in two",
        "1 series of CT mixes several slopes or intercepts",
    ),
    "rescales": (
        "RescaleIntercept -1024 in one series, -1000 in the other",
        "CT images have 2 pairs of slope and intercept",
    ),
    "slope-4097": ("RescaleSlope 1.000244", "1.000244"),
    "slope-zero": ("RescaleSlope 0", "0"),
    "intercept-missing": (
        "RescaleSlope 1 without a RescaleIntercept",
        "series 3: No Rescale Intercept: 0 is used with the Rescale Slope",
    ),
    "intercept-unsigned": ("RescaleIntercept 0 with unsigned pixels", "intercept 0, unsigned"),
    "intercept-unusual": ("RescaleIntercept -900", "intercept -900"),
    "modality-lut": (
        "A ModalityLUTSequence instead of RescaleSlope",
        "A Modality LUT is applied to the values, in 1 volume",
    ),
    "pixel-format": (
        "BitsStored 12 unsigned in two files, 16 signed in two",
        "12-bit unsigned",
    ),
    "high-bit": ("BitsStored 12, HighBit 13", "12 of 16 bits, high bit 13"),
    "padding": ("PixelPaddingValue 0", "Files state a Pixel Padding Value: 0"),
    "padding-impossible": ("PixelPaddingValue 63536 with BitsStored 12", "63536 in 12-bit unsigned"),
    "lossy": (
        "LossyImageCompression 01 with a ratio of 9 in two files",
        "4 images have been lossily compressed, ratio 9",
    ),
    "pet-units": ("Units BQML in one series, GML in the other", "PET images have 2 units: BQML, GML"),
    "pet-attenuation": (
        "CorrectedImage DECY\\\\ATTN in two files, DECY in two",
        "2 PET images are not corrected for attenuation, 2 are",
    ),
    "pet-counts": ("Units CNTS", "CNTS"),
    "pet-decay": (
        "DecayCorrection START in one series, ADMIN in the other",
        "PET images are corrected for decay to different times, or not at all",
    ),
    "suv-missing": ("Units BQML, PatientWeight 0", "PatientWeight absent or 0"),
    "hu-intercept": ("CT whose RescaleIntercept is 100 too low", "Air does not lie near -1000: the intercept is wrong"),
    "hu-intercept-missing": (
        "CT stored from 0 to 4095 with RescaleIntercept 0",
        "Air does not lie near -1000: the intercept is missing",
    ),
    "hu-intercept-doubled": (
        "CT whose RescaleIntercept is -2048 instead of -1024",
        "Air does not lie near -1000: the intercept is doubled",
    ),
    "hu-intercept-sign": (
        "CT whose RescaleIntercept is 1024 instead of -1024",
        "Air does not lie near -1000: the intercept has the wrong sign",
    ),
    "hu-rescale-twice": (
        "CT that was stored in HU, with its old slope and intercept",
        "Stored values are already HU, and slope and intercept are applied again",
    ),
    "hu-sign": ("Signed CT with PixelRepresentation 0", "Values are read with the wrong sign"),
    "hu-slope": (
        "CT whose RescaleSlope is 2 instead of 1",
        "Air and soft tissue are too far apart or too close: the slope is wrong",
    ),
    "hu-below": (
        "CT with -3024 outside its circle, without PixelPaddingValue",
        "Pixels lie below all values found in a body",
    ),
    "hu-padding": (
        "CT with -2048 outside its circle, while PixelPaddingValue is -2000",
        "One value looks like padding that the files do not state",
    ),
    "hu-unread": (
        "A CT file that was moved after the scan",
        "The pixels of 1 CT volume could not be read: nothing is known about their HU",
    ),
    # display
    "monochrome1": ("PhotometricInterpretation MONOCHROME1", "MONOCHROME1"),
    "monochrome-mixed": (
        "PhotometricInterpretation MONOCHROME1 in one series, MONOCHROME2 in the other",
        "CT: images are in part MONOCHROME1, in part MONOCHROME2",
    ),
    "window-doubled": ("WindowCenter 40\\40, WindowWidth 400\\400", "40\\40 / 400\\400"),
    "window-implausible": ("WindowCenter 40, WindowWidth 0", "40 / 0: a width of 0 is not allowed for LINEAR"),
    "windows-vary": ("Another WindowCenter in each slice", "Window presets differ from image to image in 1 series"),
    "windows-stored": (
        "MR with RescaleSlope 4 whose WindowWidth is that of the stored values",
        "Window presets fit the stored values, not the rescaled values, in 1 volume",
    ),
    "sigmoid": ("VOILUTFunction SIGMOID", "SIGMOID"),
    # places
    "orientations": (
        "ImageOrientationPatient axial in two slices, sagittal in two",
        "Images have 2 different orientations, beyond rounding; 1 series holds several",
    ),
    "orientation-invalid": ("ImageOrientationPatient 1\\0\\0\\1\\0\\0", "1 0 0 1 0 0"),
    "spacings": ("PixelSpacing 0.5 in one series, 0.7 in the other", "CT: 2 pixel spacings, 0.5 to 0.7 mm"),
    "sizes": ("16 × 12 pixels in one series, 12 × 16 in the other", "CT: images have 2 sizes, rows × columns"),
    "spacing-invalid": ("PixelSpacing 0\\0.5", "0 by 0.5"),
    "spacing-missing": ("ImagerPixelSpacing 0.2\\0.2, no PixelSpacing", "Imager Pixel Spacing only"),
    "position-missing": ("CT without ImagePositionPatient", "CT"),
    "lengths-odd": ("SpacingBetweenSlices -2.5", "SpacingBetweenSlices -2.5"),
    "unplaced": (
        "CT with two numbers as ImagePositionPatient",
        "Images have no positions to order them by, in 1 volume",
    ),
    "steps": (
        "Slices 2.5 mm apart in one series, 5 mm in the other",
        "CT: volumes have slices 2.5 to 5 mm apart; voxels are up to 10 times as long as wide",
    ),
    "slices-overlap": ("SliceThickness 5, slices 2.5 mm apart", "5 mm thick, 2.5 mm apart"),
    "slices-apart": ("SliceThickness 1, slices 2.5 mm apart", "1 mm thick, 2.5 mm apart"),
    "step-contradicts": ("SpacingBetweenSlices 0.5, slices 2.5 mm apart", "0.5 mm stated, 2.5 mm apart"),
    "gap": (
        "Slices at 0, 2.5, 7.5 and 10 mm",
        "series 3: 1 slice missing between 2 and 3 (5 mm); the usual step is 2.5 mm",
    ),
    "uneven": ("Slices at 0, 2.5, 4 and 10 mm", "Slices are unevenly spaced, in 1 volume"),
    "blocks": (
        "Slices at 0, 3, 6, 9, 12, 17, 22, 27 and 32 mm",
        "The distance between slices differs from block to block, in 1 volume",
    ),
    "beside": (
        "The third of four slices lies 1 mm to the left of the line of the others",
        "series 3: Slice 3 is shifted 1 mm sideways from the line of the other slices",
    ),
    "tilt": (
        "Each slice lies 2.5 mm higher and 0.5 mm further back than the one before",
        "series 3: Slices are sheared by 11.31 degrees, 0.5 mm a slice (gantry tilt)",
    ),
    "split": (
        "Two localizers and two axial slices with one SeriesInstanceUID",
        "1 series is split into 2 volumes",
    ),
    "left-out": ("Four slices, the fourth a copy of the third under another UID", "series 3: 1 file of 4"),
    "volumes": (
        "Two slices at two times each, TemporalPositionIdentifier 1 and 2",
        "series 3: 2 volumes of 2 slices, by Temporal Position Identifier",
    ),
    "interleaved": (
        "Slices at 0, 2.5, 5, 7.5, 10 and 12.5 mm, in turn of 80 and of 140 kV",
        "Slices of several acquisitions are interleaved, in 1 volume",
    ),
    "tracked": (
        "Slices that are turned by up to half a degree, and shifted by 0.04 mm, to follow the head",
        "Images follow a movement, and are taken as one grid, in 1 volume",
    ),
    "one-place": (
        "Four slices at 0 mm",
        "series 3: 4 images at the same position, by Instance Number: no known tag distinguishes them",
    ),
    "mosaic": (
        "An MR image of 16 × 16 pixels that shows four slices of 8 × 8",
        "Slices are tiles of one image, a mosaic, in 1 volume",
    ),
    "slide-absent": (
        "A slide of 2 × 2 tiles, three of them in the file",
        "Parts of a slide are in no tile, in 1 volume",
    ),
    "rule-failed": ("Files on which a rule of this program fails", "The rule kernels failed: ZeroDivisionError"),
}
"""Code of a finding -> (what the files hold, what the finding says: its title or a line of its evidence)."""
