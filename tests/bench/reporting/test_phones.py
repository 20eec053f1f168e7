"""Phones side by side in tables and pictures."""

from dataclasses import replace
from xml.etree import ElementTree

from bench.records.record import Memory
from bench.reporting.phone_plots import phone_pictures
from bench.reporting.phones import of_machines, phone_tables
from tests.bench.samples import FAILED, SAMPLE

PLAIN = {"counts": None, "machine": None, "threads": None}


def hosted(phone: str, accelerator: str, *times: float, **changes):
    environment = {"phone": phone, "system": "android 14"}
    fields = {
        **PLAIN,
        "device": "hub",
        "runtime": "litert",
        "phone": phone,
        "accelerator": accelerator,
        "environment": environment,
        "samples": {"forward": list(times)},
        "memory": Memory(200_000_000, None),
        "layers": {"CPU": 1, "NPU": 3},
    }
    return replace(SAMPLE, **{**fields, **changes})


A, B = hosted("Phone A", "cpu", 20.0, 30.0, 40.0), hosted("Phone B", "cpu", 50.0)
A_NPU = hosted("Phone A", "npu", 5.0, 5.0)


def rows(table) -> dict[str, list[str]]:
    return dict(table.texts())


def test_many_phones_are_in_one_table_and_what_one_lacks_has_its_command():
    table, _ = phone_tables([A, A_NPU, B, SAMPLE])
    assert table.title == "Phones: tee-0"
    found = rows(table)
    assert list(found) == [
        "Phone A, litert, fp32, cpu",
        "Phone A, litert, fp32, npu",
        "Phone B, litert, fp32, cpu",
        "Phone B, litert, fp32, npu",
    ]
    # Medians; half the quartiles' distance of 20, 30, 40 is 5; p90 lies at 38; load 100 ms, 200 MB; one layer of four.
    assert found["Phone A, litert, fp32, cpu"] == ["30.00 ± 5.00", "38.0", "100.0", "200.0", "25.0", "3.0"]
    assert found["Phone A, litert, fp32, npu"][4] == "75.0"
    assert found["Phone B, litert, fp32, npu"] == ["not measured", *["-"] * 5]
    assert table.note.endswith(
        "Not measured, and by which command it would be: python bench/run.py --device hub --models tee-0 "
        '--runtimes litert --precision fp32 --phone "Phone B" --accelerators npu'
    )


def test_what_failed_is_not_said_to_be_unmeasured():
    failed = hosted("Phone B", "npu", 1.0, status="failed", error=FAILED.error, samples={}, memory=None, layers={})
    table = phone_tables([A, A_NPU, B, failed])[0]
    assert rows(table)["Phone B, litert, fp32, npu"][0] == "failed"
    assert "Not measured" not in table.note


def test_what_no_phone_has_measured_has_its_command_by_runtime_precision_and_accelerator():
    (table,) = phone_tables([SAMPLE])
    found = rows(table)
    assert found["an iPhone, coreml, fp16, all"] == [
        "not measured: python bench/run.py --device ios --bundle-id ID "
        "--models tee-0 --runtimes coreml --precision fp16"
    ]
    assert found["an Android phone, executorch, fp32, cpu"][0].startswith(
        "not measured: python bench/run.py --device and"
    )
    assert {"a hosted phone, litert, int8, npu", "a hosted phone, onnx, fp32, gpu"} <= set(found)
    measured = rows(phone_tables([A])[-1])
    assert not any(label.startswith("a hosted phone") for label in measured)


def test_other_weights_and_photos_stand_apart():
    titles = [table.title for table in phone_tables([A, replace(B, weights="checkpoint x")])][:2]
    assert titles == ["Phones: tee-0 (weights random (seed 0))", "Phones: tee-0 (weights checkpoint x)"]


def test_two_phones_of_one_name_are_told_apart_by_their_system():
    other = hosted("Phone A", "cpu", 9.0, run="another", environment={"phone": "Phone A", "system": "android 15"})
    assert list(rows(phone_tables([A, other])[0])) == [
        "Phone A, android 14, litert, fp32, cpu",
        "Phone A, android 15, litert, fp32, cpu",
    ]


def test_a_phone_on_this_desk_says_the_accelerator_that_its_runtime_always_takes():
    desk = replace(SAMPLE, **PLAIN, device="ios", runtime="coreml", environment={"phone": "iPhone16,1"})
    assert list(rows(phone_tables([desk])[0])) == ["iPhone16,1, coreml, fp32, all"]


def test_methods_of_a_whole_model_have_rows_of_their_own():
    step = hosted("Phone A", "cpu", 2.0, method="step", model="minivlm")
    assert list(rows(phone_tables([step])[0])) == ["Phone A, litert, fp32, cpu, step"]


def test_hosted_phones_have_no_tables_of_one_machine():
    assert of_machines([A, SAMPLE, FAILED]) == [SAMPLE, FAILED]


def test_a_picture_for_each_table():
    made = phone_pictures([A, A_NPU, B, replace(B, model="minilm", inputs={}), FAILED])
    assert list(made) == [
        "Phones: tee-0, latency by phone and accelerator",
        "Phones: minilm, latency by phone and accelerator",
    ]
    for picture in made.values():
        assert ElementTree.fromstring(picture).tag.endswith("svg")
    assert phone_pictures([SAMPLE]) == {}


def test_an_android_phone_s_gpu_is_asked_for_by_a_flag_and_only_in_what_it_computes():
    (table,) = phone_tables([SAMPLE])
    found = rows(table)
    assert found["an Android phone, litert, fp16, gpu"] == [
        "not measured: python bench/run.py --device android "
        "--models tee-0 --runtimes litert --precision fp16 --accelerators gpu"
    ]
    assert "--accelerators" not in found["an Android phone, litert, int8, cpu"][0]
    assert "an Android phone, litert, int8, gpu" not in found
