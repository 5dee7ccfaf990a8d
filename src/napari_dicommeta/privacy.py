"""Which elements identify a person, and so stay hidden and out of exports until they are asked for.

First match wins: private elements; the attributes that PS3.15 Table E.1-1 names and that are most often
filled; dates, times, ages and names by their VR; UIDs that are not registered ones; free text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_dicommeta.tags import TagPath

__all__ = ["is_identifying"]

# Attributes of PS3.15 Table E.1-1 (edition 2026c) whose VR alone would not show that they identify.
_NAMED = frozenset(
    [
        "AccessionNumber",
        "PatientID",
        "PatientSex",
        "PatientSize",
        "PatientWeight",
        "OtherPatientIDs",
        "EthnicGroup",
        "Occupation",
        "PatientAddress",
        "PatientTelephoneNumbers",
        "MedicalRecordLocator",
        "PatientInsurancePlanCodeSequence",
        "StudyID",
        "InstitutionName",
        "InstitutionAddress",
        "InstitutionalDepartmentName",
        "StationName",
        "DeviceSerialNumber",
        "DeviceUID",
        "PlateID",
        "CassetteID",
        "GantryID",
        "DetectorID",
        "RequestingService",
        "AdmissionID",
        "IssuerOfPatientID",
        "ReferencedPatientSequence",
        "PatientState",
        "PregnancyStatus",
        "SmokingStatus",
        "Allergies",
        "MedicalAlerts",
        "CurrentPatientLocation",
        "ProtocolName",
    ]
)
_PERSONAL_VR = frozenset(("PN", "DA", "DT", "TM", "AS", "AE"))
_FREE_VR = frozenset(("LT", "ST", "UT", "UC", "UR"))
# Short texts that describe the technique, not the person.
_TECHNICAL_TEXT = frozenset(
    [
        "Manufacturer",
        "ManufacturerModelName",
        "SoftwareVersions",
        "ConvolutionKernel",
        "RescaleType",
        "PositionReferenceIndicator",
        "WindowCenterWidthExplanation",
        "LUTExplanation",
        "CodeValue",
        "CodingSchemeDesignator",
        "CodeMeaning",
        "SequenceName",
        "ImplementationVersionName",
        "ReceiveCoilName",
        "TransmitCoilName",
        "PulseSequenceName",
        "ImageOrientation",
        "ContrastBolusAgent",
        "FilterType",
        "PrivateCreator",
        "ModalityLUTType",
    ]
)


def is_identifying(path: TagPath, vr: str) -> bool:
    """Whether values of the element at `path`, stored with `vr`, may identify a person (PS3.15 Annex E)."""
    if path.is_private:
        return True
    keyword = path.keyword
    if keyword in _NAMED or vr in _PERSONAL_VR:
        return True
    if vr == "UI":
        return not keyword.endswith("ClassUID") and keyword not in ("TransferSyntaxUID", "ImplementationClassUID")
    return vr in _FREE_VR or (vr in ("LO", "SH", "UN") and keyword not in _TECHNICAL_TEXT)
